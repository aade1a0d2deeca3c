// The people the model knows: shown, added, forgotten.

import * as api from "./api.js";
import { photograph } from "./camera.js";
import { $, counted, element, face, say } from "./elements.js";

const SEARCHED = 12; // people from whom on they can be searched
let kept = []; // pictures that wait to be added: {file, id, problem, node}
let most = Infinity;
let leaving = null;
let changed = () => {};

export const limit = (bytes) => { most = bytes; };

export async function show() {
  const { people } = await api.people();
  const pictures = people.reduce((n, one) => n + one.pictures, 0);
  $("count").textContent = `${counted(people.length, "person", "people")}, ${counted(pictures, "picture", "pictures")}`;
  $("search-label").hidden = people.length < SEARCHED;
  $("gallery").replaceChildren(...people.map(tile));
  find();
}

function tile(person) {
  const more = element("button", { type: "button", className: "quiet" }, "Add pictures");
  more.setAttribute("aria-label", `Add pictures to ${person.name}`);
  more.addEventListener("click", () => open(person.name));
  const away = element("button", { type: "button", className: "quiet danger" }, "Forget");
  away.setAttribute("aria-label", `Forget ${person.name}`);
  away.addEventListener("click", () => ask(person));
  const pictures = element("p", { className: "soft small" }, counted(person.pictures, "picture", "pictures"));
  const words = element("div", { className: "words" }, element("h3", {}, person.name), pictures);
  const deeds = element("div", { className: "deeds" }, more, away);
  const made = element("li", { className: "person" }, face(person.address, person.name, 72), words, deeds);
  made.dataset.name = person.name.toLowerCase();
  return made;
}

function find() {
  const wanted = $("search-label").hidden ? "" : $("search").value.trim().toLowerCase();
  for (const one of $("gallery").children) one.hidden = !one.dataset.name.includes(wanted);
}

// Adding.

function open(name = "") {
  kept = [];
  $("pictures").replaceChildren();
  $("name").value = name;
  $("adding-title").textContent = name ? `Add pictures to ${name}` : "Add somebody";
  say($("adding-said"), "");
  doubt(false);
  busy(false);
  $("adding").showModal();
  (name ? $("files") : $("name")).focus();
}

function doubt(there) {
  $("force-label").hidden = !there;
  $("force").checked = false;
}

function busy(on) {
  $("adding-go").disabled = on;
  $("adding-form").setAttribute("aria-busy", String(on));
}

async function take(files) {
  for (const file of files) {
    const one = { file, id: null };
    kept.push(one);
    $("pictures").append(thumbnail(one));
  }
  await Promise.all(kept.filter((one) => one.id === null && !one.sent).map(send));
  const good = kept.filter((one) => one.id).length;
  say($("adding-said"), counted(good, "picture is ready.", "pictures are ready."));
}

async function send(one) {
  one.sent = true;
  try {
    api.fits(one.file, most);
    const answer = await api.keep(one.file);
    one.id = answer.picture;
    one.words.textContent = answer.faces > 1 ? `${answer.faces} faces` : "";
    one.node.classList.add("ready");
  } catch (error) {
    one.words.textContent = error.message;
    one.node.classList.add("refused");
  }
}

function thumbnail(one) {
  const picture = element("img", { alt: one.file.name, width: 72, height: 72, src: URL.createObjectURL(one.file) });
  picture.addEventListener("load", () => URL.revokeObjectURL(picture.src));
  const away = element("button", { type: "button", className: "away" }, "×");
  away.setAttribute("aria-label", `Leave out ${one.file.name}`);
  away.addEventListener("click", () => {
    kept = kept.filter((other) => other !== one);
    one.node.remove();
    if (one.id) api.drop(one.id).catch(() => {});
    $("files").focus();
  });
  one.words = element("span", { className: "small" }, "…");
  one.node = element("li", {}, picture, one.words, away);
  return one.node;
}

async function add(event) {
  event.preventDefault();
  const name = $("name").value.trim();
  const ids = kept.map((one) => one.id).filter(Boolean);
  if (!name) { say($("adding-said"), "A name is missing.", true); return $("name").focus(); }
  if (!ids.length) { say($("adding-said"), "A photograph is missing.", true); return $("files").focus(); }
  busy(true);
  say($("adding-said"), "Learning …");
  try {
    const answer = await api.add(name, ids, $("force").checked);
    if (answer.taken) {
      $("adding").close();
      const added = counted(answer.taken, "picture", "pictures");
      say($("changed"), `${answer.name}: ${added} added.${refusals(answer, ids)}`);
      await changed();
    } else {
      say($("adding-said"), `Nothing was added.${refusals(answer, ids)}`, true);
      doubt(answer.refused.some((one) => one.code === "looks_like_another"));
    }
  } catch (error) {
    say($("adding-said"), error.message, true);
  } finally {
    busy(false);
  }
}

function refusals(answer, ids) {
  const fileOf = (number) => kept.find((one) => one.id === ids[number - 1])?.file.name ?? `picture ${number}`;
  return answer.refused.map((one) => ` ${fileOf(one.picture)}: ${one.message}`).join("");
}

// Forgetting.

function ask(person) {
  leaving = person.name;
  $("forgetting-title").textContent = `Forget ${person.name}?`;
  const rows = counted(person.pictures, "vector and small grey face", "vectors and small grey faces");
  $("forgetting-what").textContent =
    `The model's file loses the name, its ${rows}, and is fitted again without them. From then on ${person.name} is unknown.`;
  $("forgetting-problem").hidden = true;
  $("forgetting").showModal();
  $("forgetting-close").focus();
}

async function forget() {
  $("forgetting-go").disabled = true;
  try {
    await api.forget(leaving);
    $("forgetting").close();
    say($("changed"), `${leaving} is forgotten.`);
    await changed();
    $("people").focus();
  } catch (error) {
    $("forgetting-problem").textContent = error.message;
    $("forgetting-problem").hidden = false;
  } finally {
    $("forgetting-go").disabled = false;
  }
}

export function begin(after) {
  changed = after;
  $("add").addEventListener("click", () => open());
  $("search").addEventListener("input", find);
  $("adding-form").addEventListener("submit", add);
  $("adding-close").addEventListener("click", () => $("adding").close());
  $("adding").addEventListener("close", () => {
    for (const one of kept.filter((one) => one.id)) api.drop(one.id).catch(() => {});
  });
  $("adding-photograph").addEventListener("click", () => photograph((file) => take([file])));
  $("files").addEventListener("change", () => { take([...$("files").files]); $("files").value = ""; });
  $("forgetting-close").addEventListener("click", () => $("forgetting").close());
  $("forgetting-go").addEventListener("click", forget);
}
