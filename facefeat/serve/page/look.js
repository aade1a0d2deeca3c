// One photograph: sent, shown with its faces, and each face with its name and the reasons.

import * as api from "./api.js";
import { $, counted, element, face, say } from "./elements.js";

let shown = null; // the address of the photograph
let turn = 0; // of several photographs in a row the last one counts
let most = Infinity;

export const limit = (bytes) => { most = bytes; };

export async function look(picture) {
  const mine = ++turn;
  $("faces").replaceChildren();
  $("boxes").replaceChildren();
  $("look").setAttribute("aria-busy", "true");
  say($("said"), "Looking …");
  try {
    api.fits(picture, most);
    const visible = await show(picture, mine);
    const answer = await api.predict(picture);
    if (mine !== turn) return;
    if (!visible) blank(answer);
    draw(answer, visible, picture.name);
  } catch (error) {
    if (mine === turn) say($("said"), error.message, true);
  } finally {
    if (mine === turn) $("look").removeAttribute("aria-busy");
  }
}

// Show the photograph; false where the browser does not know its format, though the server may.
async function show(picture, mine) {
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(picture);
  const photo = $("photo");
  photo.src = shown;
  photo.alt = "The photograph";
  const visible = await photo.decode().then(() => true, () => false);
  if (mine === turn) {
    $("stage").hidden = false;
    $("drop").classList.add("full");
    $("frame").classList.toggle("blank", !visible);
    $("frame").style.aspectRatio = visible ? `${photo.naturalWidth} / ${photo.naturalHeight}` : "";
    photo.hidden = !visible;
    $("caption").textContent = picture.name;
  }
  return visible;
}

function blank(answer) {
  $("frame").style.aspectRatio = `${answer.width} / ${answer.height}`;
  $("caption").textContent += ": read by the server, but your browser cannot show this format.";
}

function draw(answer, visible, name) {
  const { width, height, faces } = answer;
  faces.forEach((found, i) => {
    if (found.found) $("boxes").append(box(found, i, width, height));
    $("faces").append(card(found, i, faces.length, visible, answer));
  });
  const none = !faces.some((found) => found.found);
  const names = faces.map((found) => found.name ?? "unknown").join(", ");
  const found = none ? "The whole picture was looked at" : counted(faces.length, "face", "faces");
  say($("said"), `${found}: ${names}.`);
}

function box(found, i, width, height) {
  const [left, top, right, bottom] = found.box;
  const made = element("button", { type: "button", className: found.name ? "box" : "box stranger" });
  made.setAttribute("aria-label", `Face ${i + 1}: ${found.name ?? "unknown"}; show why`);
  Object.assign(made.style, {
    left: `${(100 * left) / width}%`, top: `${(100 * top) / height}%`,
    width: `${(100 * (right - left)) / width}%`, height: `${(100 * (bottom - top)) / height}%`,
  });
  const tag = element("span", { className: "tag" }, found.name ?? "unknown");
  if (top < 0.12 * height) tag.classList.add(bottom > 0.88 * height ? "within" : "below");
  if (left > 0.6 * width) tag.classList.add("to-left");
  made.append(tag);
  made.addEventListener("click", () => $(`face-${i}`).focus());
  for (const kind of ["mouseenter", "focus"]) made.addEventListener(kind, () => light(i, true));
  for (const kind of ["mouseleave", "blur"]) made.addEventListener(kind, () => light(i, false));
  return made;
}

function light(i, on) {
  $(`face-${i}`)?.classList.toggle("lit", on);
}

function card(found, i, n, visible, answer) {
  const title = element("h3", { className: found.name ? "name" : "name stranger" }, found.name ?? "unknown");
  const words = element("div", {}, title, element("p", { className: "sure" }, sure(found)));
  const head = element("div", { className: "who" }, visible ? crop(found) : null, words);
  const others = element("p", { className: "soft small" }, ranking(found));
  const place = { id: `face-${i}`, className: "card", tabIndex: -1 };
  const made = element("li", place, head, scale(found), others, reasons(found));
  made.setAttribute("aria-label", `Face ${i + 1} of ${n}: ${found.name ?? "unknown"}`);
  return made;
}

function crop(found) {
  const side = 144;
  const [left, top, right, bottom] = found.box;
  const canvas = element("canvas", { width: side, height: side, className: "cut" });
  canvas.setAttribute("aria-hidden", "true");
  const size = Math.max(right - left, bottom - top);
  const x = (left + right - size) / 2, y = (top + bottom - size) / 2;
  canvas.getContext("2d").drawImage($("photo"), x, y, size, size, 0, 0, side, side);
  return canvas;
}

function sure(found) {
  if (found.name === null) return `most like ${found.best}, but not enough`;
  if (found.probability === null) return "";
  const said = 100 * found.probability;
  return said > 99 ? "over 99 % sure" : `${said.toFixed(0)} % sure`;
}

// The score on a line, with a mark at the threshold, and in words.
function scale(found) {
  const score = `score ${found.score.toFixed(3)}`;
  if (found.over_threshold === null) return element("p", { className: "small" }, `${score}, no threshold`);
  const place = (value) => `${100 * Math.min(Math.max(value, 0), 1)}%`;
  const fill = element("span", { className: "fill" }), mark = element("span", { className: "mark-at" });
  fill.style.width = place(found.score);
  mark.style.left = place(found.threshold);
  const track = element("div", { className: found.name ? "track" : "track stranger" }, fill, mark);
  track.setAttribute("aria-hidden", "true");
  const side = found.over_threshold < 0 ? "under" : "over";
  const by = Math.abs(found.over_threshold).toFixed(3);
  const words = `${score}, ${by} ${side} the threshold of ${found.threshold.toFixed(3)}`;
  return element("div", { className: "score" }, track, element("p", { className: "small" }, words));
}

function ranking(found) {
  const second = found.runner_up;
  if (!second) return "";
  const who = `${second.name} ${second.score.toFixed(3)}`, by = Math.abs(found.margin).toFixed(3);
  return found.margin < 0 ? `though ${who} is ${by} ahead` : `then ${who}, ${by} behind`;
}

function reasons(found) {
  if (!found.nearest.length) return null;
  const list = element("ul", { className: "nearest" });
  list.setAttribute("aria-label", "The training pictures it is most like");
  for (const one of found.nearest) {
    const alike = element("span", { className: "soft" }, one.similarity.toFixed(2));
    const words = element("span", { className: "small" }, element("b", {}, one.name), alike);
    words.title = one.path;
    list.append(element("li", {}, face(one.address, one.name), words));
  }
  return list;
}
