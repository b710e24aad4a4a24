"use strict";
// Trying a call out, and finding one. What comes back is shown as text. A token is sent once, to begin a session whose
// name the browser keeps in a cookie that no script reads; it is kept nowhere.
const MOST_SHOWN = 200_000;
const OURS = { "X-FAISS-Memory": "page" };

const make = (name, text = "", attributes = {}) => {
  const made = Object.assign(document.createElement(name), { textContent: text });
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

function request(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const headers = { ...OURS };
  for (const field of form.querySelectorAll("[data-in]")) {
    const value = field.value.trim();
    if (field.dataset.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(value));
    else if (!value) continue;
    else if (field.dataset.in === "header") headers[field.name] = value;
    else for (const one of "many" in field.dataset ? value.split(",") : [value]) query.append(field.name, one.trim());
  }
  const body = form.querySelector("textarea")?.value ?? form.querySelector("input[type=file]")?.files[0];
  if (body !== undefined) headers["Content-Type"] = form.dataset.type;
  return [query.size ? `${path}?${query}` : path, { method: form.dataset.method, headers, body }];
}

async function shownOf(answer) {
  const type = answer.headers.get("Content-Type") || "";
  if (!/json|text|xml|yaml/.test(type)) return `${type}, ${(await answer.blob()).size.toLocaleString("en")} bytes`;
  const text = await answer.text();
  const shown = type.includes("json") ? JSON.stringify(JSON.parse(text), null, 2) : text;
  return shown.length > MOST_SHOWN ? `${shown.slice(0, MOST_SHOWN)}\n… and more` : shown;
}

function askForToken(out, again) {
  const form = make("form");
  const label = make("label", "This service asks for its token: the setting token. It is sent once, and kept nowhere here.");
  const box = make("input", "", { type: "password", autocomplete: "off", required: "" });
  const said = make("p", "", { role: "alert", class: "bad" });
  label.append(box);
  form.append(label, make("button", "Log in", { type: "submit" }), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = JSON.stringify({ token: box.value });
    box.value = "";
    const answer = await fetch("/login", { method: "POST", headers: { ...OURS, "Content-Type": "application/json" }, body });
    if (answer.ok) again();
    else said.textContent = (await answer.json()).description;
  });
  out.append(form);
  box.focus();
}

async function send(form) {
  const out = form.parentElement.querySelector("output");
  const began = performance.now();
  out.replaceChildren(make("p", "Asking…"));
  try {
    const [address, options] = request(form);
    const answer = await fetch(address, options);
    const took = Math.round(performance.now() - began);
    const shown = await shownOf(answer);
    out.replaceChildren(make("p", `${answer.status} ${answer.statusText} in ${took} ms, for ${options.method} ${address}`, answer.ok ? {} : { class: "bad" }));
    out.append(make("pre", shown, { tabindex: "0", role: "region", "aria-label": "The answer" }));
    if (answer.status === 401) askForToken(out, () => send(form));
  } catch (error) {
    out.replaceChildren(make("p", `It was not answered: ${error.message}`, { class: "bad" }));
  }
}

for (const form of document.querySelectorAll("form[data-path]"))
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });

const find = document.getElementById("find");
const entries = [...document.querySelectorAll("nav li")];
find.parentElement.hidden = false;
find.addEventListener("input", () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const entry of entries) entry.hidden = !words.every((word) => entry.dataset.words.includes(word));
  for (const group of document.querySelectorAll("nav .part")) group.hidden = !group.querySelector("li:not([hidden])");
});
