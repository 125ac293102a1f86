// The objects as a table that sorts, and the words and numbers in which objects are told.

import { _ } from "./words.js";

const STEP = 100; // rows shown at a time

export const numberText = (value, digits) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

// Text goes in as text nodes only: attributes are data, never markup.
export function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = String(text);
  return node;
}

export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

const COLUMNS = [
  { name: "object_id", title: _("Object"), digits: 0 },
  { name: "class_name", title: _("Class") },
  { name: "area_m2", title: _("Area, m²"), digits: 1 },
  { name: "area_px", title: _("Area, px"), digits: 0 },
  { name: "perimeter_m", title: _("Perimeter, m"), digits: 1 },
  { name: "score", title: _("Quality"), digits: 3 },
];

const tells = (row, name) => isNumber(row[name]) || (typeof row[name] === "string" && row[name] !== "");

// Large areas and lengths in the unit that people count them in.
const LARGE = {
  area_m2: { title: _("Area, km²"), from: 1e7, scale: 1e6, digits: 2 },
  perimeter_m: { title: _("Perimeter, km"), from: 1e5, scale: 1e3, digits: 1 },
};

function inUnit(column, rows) {
  const large = LARGE[column.name];
  return large && rows.some((row) => row[column.name] >= large.from) ? { ...column, ...large } : column;
}

// Those columns of which some object says something; of the two areas the one that people know.
export function columnsOf(rows, area) {
  const told = COLUMNS.filter(({ name }) => (!name.startsWith("area_") || name === area) && rows.some((row) => tells(row, name)));
  return told.map((column) => inUnit(column, rows));
}

export function textOf(row, { name, digits, scale }) {
  if (!tells(row, name)) return "";
  return isNumber(row[name]) ? numberText(row[name] / (scale ?? 1), digits ?? 3) : row[name];
}

// An area as text, for itself.
export function areaText(value, area) {
  if (area === "area_px") return `${numberText(value, 0)} px`;
  if (value >= LARGE.area_m2.from / 10) return _("{n} km²", { n: numberText(value / LARGE.area_m2.scale, value < 1e8 ? 1 : 0) });
  return _("{n} m²", { n: numberText(value, value < 100 ? 1 : 0) });
}

export class ObjectTable {
  constructor(section, area, choose) {
    this.section = section;
    this.area = area;
    this.choose = choose;
    this.rows = [];
    this.shown = STEP;
    this.chosen = null;
    this.sort = { name: area, up: false };
    this.more = section.querySelector("#more");
    this.more.addEventListener("click", () => { this.shown += STEP; this.draw(); });
  }

  // Show rows; `note` says what they are.
  set(rows, note) {
    this.rows = rows;
    this.columns = columnsOf(rows, this.area);
    this.section.querySelector("#list_note").textContent = note;
    this.draw();
  }

  mark(id) {
    this.chosen = id;
    for (const row of this.section.querySelectorAll("tbody tr")) row.classList.toggle("chosen", Number(row.dataset.id) === id);
    const row = this.section.querySelector("tr.chosen"), box = this.section.querySelector(".scroll");
    if (!row) return;
    // The box alone scrolls, never the page: on a phone the map must stay in sight.
    const top = row.offsetTop - box.querySelector("thead").offsetHeight, bottom = row.offsetTop + row.offsetHeight;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
  }

  draw() {
    const { name, up } = this.sort;
    const value = (row) => (tells(row, name) ? row[name] : null);
    const sorted = [...this.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      const order = typeof x === "string" ? x.localeCompare(y) : x - y;
      return up ? order : -order;
    });
    this.section.querySelector("thead tr").replaceChildren(...this.columns.map((column) => this.head(column)));
    this.section.querySelector("tbody").replaceChildren(...sorted.slice(0, this.shown).map((row) => this.line(row)));
    this.more.hidden = sorted.length <= this.shown;
    this.mark(this.chosen);
  }

  head(column) {
    const { name, up } = this.sort, here = column.name === name;
    const cell = element("th", column.digits === undefined ? "text" : "");
    cell.setAttribute("aria-sort", here ? (up ? "ascending" : "descending") : "none");
    const button = cell.appendChild(element("button", "", `${column.title}${here ? (up ? " ▲" : " ▼") : ""}`));
    button.type = "button";
    button.addEventListener("click", () => {
      this.sort = { name: column.name, up: here ? !up : column.digits === undefined };
      this.draw();
    });
    return cell;
  }

  line(row) {
    const line = element("tr");
    line.dataset.id = row.object_id;
    line.tabIndex = 0;
    for (const column of this.columns) line.appendChild(element("td", column.digits === undefined ? "text" : "", textOf(row, column)));
    const go = () => this.choose(row.object_id);
    line.addEventListener("click", go);
    line.addEventListener("keydown", (event) => { if (event.key === "Enter") go(); });
    return line;
  }
}
