// Requests to the server, whose refusals are sentences.

export class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function ask(method, path, body, type) {
  let response;
  try {
    response = await fetch(path, { method, body, headers: type ? { "Content-Type": type } : {} });
  } catch {
    throw new Refusal("unreachable", "The server does not answer. Is it still running?");
  }
  if (response.status === 204) return null;
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new Refusal("unreadable", "The server gave an answer that cannot be read.");
  }
  if (!response.ok) throw new Refusal(answer.code, answer.message);
  return answer;
}

const typeOf = (picture) => (picture.type.startsWith("image/") ? picture.type : "application/octet-stream");
const person = (name) => `/api/people/${encodeURIComponent(name)}`;

export const model = () => ask("GET", "/api/model");
export const people = () => ask("GET", "/api/people");
export const predict = (picture) => ask("POST", "/api/predict?top=3", picture, typeOf(picture));
export const keep = (picture) => ask("POST", "/api/pictures", picture, typeOf(picture));
export const drop = (picture) => ask("DELETE", `/api/pictures/${picture}`);
export const add = (name, pictures, force) =>
  ask("POST", person(name), JSON.stringify({ pictures, force }), "application/json");
export const forget = (name) => ask("DELETE", person(name));

// What is too large is refused before it is sent.
export function fits(picture, most) {
  if (picture.size > most) {
    const mb = (n) => (n / 1024 ** 2).toFixed(0);
    throw new Refusal("too_many_bytes", `${mb(picture.size)} MB; at most ${mb(most)} MB are taken.`);
  }
  if (!picture.size) throw new Refusal("empty", "The file is empty.");
}
