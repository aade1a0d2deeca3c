// Elements of the page. Text is only ever set as text.

export const $ = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made && name !== "role") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function say(where, text, bad = false) {
  where.textContent = text;
  where.classList.toggle("bad", bad);
}

// A grey face of the model, or the first letter where it keeps none.
export function face(address, name, size = 64) {
  const square = { className: "face", width: size, height: size };
  if (address) return element("img", { ...square, src: address, alt: "", loading: "lazy" });
  return element("span", { className: "face letter", "aria-hidden": "true" }, [...name][0] ?? "?");
}

export const counted = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
