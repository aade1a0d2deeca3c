// Photographs from the camera: one dialog, whoever wants a picture.

import { $ } from "./elements.js";

let stream = null;
let taken = null;

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  $("video").srcObject = null;
}

function why(error) {
  if (!window.isSecureContext)
    return "Browsers give cameras to secure pages only: use https, or open the page on the computer itself.";
  if (error?.name === "NotAllowedError") return "The browser was not allowed to use the camera.";
  if (error?.name === "NotFoundError") return "There is no camera here.";
  return "The camera cannot be used; perhaps another program does.";
}

// Ask for a picture; take is called with it unless the dialog is closed without.
export async function photograph(take) {
  taken = take;
  $("camera-problem").hidden = true;
  $("shoot").disabled = true;
  $("camera").showModal();
  try {
    const wanted = { video: { width: { ideal: 1280 }, facingMode: "user" }, audio: false };
    const found = await navigator.mediaDevices.getUserMedia(wanted);
    if (!$("camera").open) return found.getTracks().forEach((track) => track.stop());
    stream = found;
    $("video").srcObject = found;
    await $("video").play();
    $("shoot").disabled = false;
    $("shoot").focus();
  } catch (error) {
    $("camera-problem").textContent = why(error);
    $("camera-problem").hidden = false;
  }
}

function shoot() {
  const video = $("video");
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => {
    $("camera").close();
    if (blob) taken(new File([blob], "camera.jpg", { type: "image/jpeg" }));
  }, "image/jpeg", 0.95);
}

export function begin() {
  $("shoot").addEventListener("click", shoot);
  $("camera-close").addEventListener("click", () => $("camera").close());
  $("camera").addEventListener("close", stop);
}
