// A shared result: its controls, its table, and an address that holds what is in sight.
import { _, ngettext } from "./words.js";
import { COLORINGS, ResultMap } from "./share_layers.js";
import { ObjectTable, element, isNumber, numberText } from "./share_table.js";

const facts = JSON.parse(document.getElementById("facts").textContent);
const START = { image: 1, objects: 0.5, masks: 0, score: 0, color: "one", object: null, at: null };
const byId = (id) => document.getElementById(id);

// "#lat,lng,zoom&image=0.5&color=area": anything else in it counts for nothing.
function readHash() {
  const parts = location.hash.slice(1).split("&"), place = parts.find((part) => part.includes(",")) ?? "";
  const state = { ...START }, at = place.split(",").map(Number);
  const [lat, lng, zoom] = at, given = Object.fromEntries(parts.map((part) => part.split("=")));
  const fits = at.length === 3 && at.every(Number.isFinite) && Math.abs(lat) <= 1e6 && Math.abs(lng) <= 1e6;
  if (place && fits && zoom >= 0 && zoom <= facts.max_zoom) state.at = at;
  for (const name of ["image", "objects", "masks", "score"]) {
    const value = Number(given[name]);
    if (given[name] && value >= 0 && value <= 1) state[name] = value;
  }
  if (Object.hasOwn(COLORINGS, given.color ?? "")) state.color = given.color;
  if (/^[0-9]{1,9}$/.test(given.object ?? "")) state.object = Number(given.object);
  return state;
}

function writeHash() {
  const [lat, lng, zoom] = map.at, digits = facts.simple ? 3 : 6;
  const parts = [[lat.toFixed(digits), lng.toFixed(digits), Number(zoom.toFixed(2))].join()];
  for (const name of ["image", "objects", "masks", "score", "color", "object"]) {
    if (state[name] !== START[name]) parts.push(`${name}=${state[name]}`);
  }
  history.replaceState(null, "", `#${parts.join("&")}`);
}

function sayWho() {
  byId("figures").textContent = ngettext("{n} object", "{n} objects", facts.count, { n: numberText(facts.count, 0) });
  const day = (seconds) => new Date(seconds * 1000).toLocaleDateString(facts.language, { dateStyle: "long" });
  const told = [_("Shared on {day}.", { day: day(facts.created) })];
  if (facts.expires !== null) told.push(_("This link works until {day}.", { day: day(facts.expires) }));
  byId("expiry").textContent = told.join(" ");
  for (const name of ["description", "credits"]) {
    byId(name).hidden = !facts[name];
    byId(name).textContent = name === "credits" ? _("Image: {credits}", { credits: facts.credits }) : facts.description;
  }
  if (facts.embedded) {
    const link = document.querySelector("header").appendChild(element("a", "", _("Open the map")));
    Object.assign(link, { href: facts.at, target: "_blank", rel: "noopener noreferrer" });
  }
}

// The address keeps what is in sight, in the other language too.
function offerLanguages() {
  for (const [tag, name] of Object.entries(facts.languages)) {
    const link = byId("languages").appendChild(element("a", "", name));
    Object.assign(link, { href: `?lang=${tag}`, lang: tag, hreflang: tag });
    link.addEventListener("click", (event) => { event.preventDefault(); location.assign(`?lang=${tag}${location.hash}`); });
  }
}

function offerFiles() {
  byId("files").hidden = !facts.downloads.length;
  for (const { filename, title } of facts.downloads) {
    const link = byId("downloads").appendChild(element("a", "", title));
    link.href = `${facts.at}/download/${encodeURIComponent(filename)}`;
    link.download = "";
  }
}

function wireSliders() {
  for (const name of ["image", "objects", "masks"]) {
    byId(name).value = state[name];
    byId(name).addEventListener("input", (event) => change({ [name]: Number(event.target.value) }));
  }
  byId("score").addEventListener("input", (event) => {
    const slider = event.target;
    // At its left end nothing is left out.
    change({ score: slider.value === slider.min ? 0 : Number(slider.value) });
    fillTable();
  });
  byId("color").addEventListener("change", (event) => change({ color: event.target.value }));
  byId("home").addEventListener("click", () => map.home());
}

function change(values) {
  Object.assign(state, values);
  sayScore();
  map.restyle();
  writeHash();
}

function sayScore() {
  byId("score_text").textContent = Number(byId("score").value).toFixed(2);
}

// What can be told by colour, and how far quality goes, follows from the objects.
function fitControls(rows) {
  const scores = rows.map((row) => row.score).filter(isNumber);
  const low = Math.floor(scores.reduce((a, b) => Math.min(a, b), 1) * 100) / 100;
  const high = Math.floor(scores.reduce((a, b) => Math.max(a, b), 0) * 100) / 100;
  byId("score_row").hidden = !(high > low);
  Object.assign(byId("score"), { min: low, max: high });
  byId("score").value = state.score || low;
  sayScore();
  const tells = (name) => !name || rows.some((row) => row[name] !== undefined && row[name] !== null && row[name] !== "");
  const names = Object.keys(COLORINGS).filter((name) => tells(COLORINGS[name].needs));
  if (!names.includes(state.color)) state.color = START.color;
  byId("color").replaceChildren(...names.map((name) => Object.assign(element("option", "", COLORINGS[name].title), { value: name })));
  byId("color").value = state.color;
}

let rows = [];

function fillTable() {
  const kept = rows.filter((row) => map.isShown(row));
  const told = [_("Choose a row to find its object on the map.")];
  if (rows.length < facts.count) told.unshift(_("The {n} largest.", { n: numberText(rows.length, 0) }));
  table.set(kept, told.join(" "));
}

async function loadRows(found) {
  if (rows.length) return;
  rows = found;
  if (facts.by_view) {
    const response = await fetch(`${facts.at}/table.json`);
    if (!response.ok) return;
    rows = await response.json();
  }
  fitControls(rows);
  map.restyle();
  fillTable();
  if (state.object !== null) map.choose(state.object);
}

const state = readHash();
const table = new ObjectTable(byId("list"), facts.area, (id) => {
  byId("map").scrollIntoView({ block: "nearest", behavior: "smooth" });
  map.show(id);
});
sayWho();
offerLanguages();
offerFiles();
const map = new ResultMap(facts, state, {
  moved: writeHash,
  loaded: loadRows,
  chosen: (id) => { state.object = id; table.mark(id); writeHash(); },
});
wireSliders();
document.body.dataset.ready = "yes";
