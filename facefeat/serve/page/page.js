// What the page does when something is chosen, dropped, pasted or photographed.

import * as api from "./api.js";
import * as camera from "./camera.js";
import { $, counted, say } from "./elements.js";
import { limit as looking, look } from "./look.js";
import * as people from "./people.js";

async function refresh() {
  const found = await api.model();
  const known = counted(found.people, "person", "people");
  $("model").textContent = `${found.file} knows ${known} by ${counted(found.pictures, "picture", "pictures")}.`;
  $("made").textContent = `facefeat ${found.facefeat} · ${found.head} on ${found.layer} · ${found.ran_on}`;
  $("report").hidden = !found.report;
  $("problem").hidden = !found.problem;
  const stale = "The model's file has changed and cannot be read; its old state answers.";
  $("problem").textContent = found.problem ? `${stale} ${found.problem}` : "";
  looking(found.picture_bytes);
  people.limit(found.picture_bytes);
  await people.show();
}

function files(transfer) {
  return [...(transfer?.files ?? [])];
}

function begin() {
  const drop = $("drop");
  $("file").addEventListener("change", () => {
    if ($("file").files.length) look($("file").files[0]);
    $("file").value = "";
  });
  $("photograph").addEventListener("click", () => camera.photograph(look));
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const found = files(event.dataTransfer);
    if (found.length && !document.querySelector("dialog[open]")) look(found[0]);
    else if (!found.length) say($("said"), "That was no file. Save the picture first, then drop the file.", true);
  });
  document.addEventListener("paste", (event) => {
    const found = files(event.clipboardData);
    if (found.length && !document.querySelector("dialog[open]")) look(found[0]);
  });
  camera.begin();
  people.begin(refresh);
}

// The token came in the address, once; from now on the browser has it as a cookie that no script can read.
if (location.search.includes("token=")) history.replaceState(null, "", location.pathname + location.hash);
begin();
refresh().catch((error) => say($("said"), error.message, true));
