// The map of a shared result: image, masks and outlines, and a legend that says what they mean.
import { _, ngettext } from "./words.js";
import { areaText, columnsOf, element, isNumber, numberText, textOf } from "./share_table.js";

const CHUNK = 1000; // features added to the map per turn of the event loop
const PAUSE_MS = 250; // the map has stopped moving after this long
const MOST_CLASSES = 12;
const ONE = "#12d6ff", GREY = "#9aa5a1", CHOSEN = "#ffb000";
const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

function rampColor(share) {
  const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1), low = Math.min(Math.floor(at), RAMP.length - 2);
  const mixed = RAMP[low].map((from, i) => Math.round(from + (RAMP[low + 1][i] - from) * (at - low)));
  return `rgb(${mixed.join()})`;
}

// A colour from a file is taken for one only if it looks like one.
const colorOf = (text) => (/^#[0-9a-f]{6}$/i.test(text ?? "") ? text : GREY);

export const COLORINGS = {
  one: { title: _("One colour") },
  object: { title: _("Object") },
  class: { title: _("Class"), needs: "class_name" },
  area: { title: _("Size") },
  score: { title: _("Quality"), needs: "score" },
};

export class ResultMap {
  constructor(facts, state, heard) {
    Object.assign(this, { facts, state, heard, items: [], chosen: null, note: _("Loading…"), inSight: 0 });
    this.map = L.map("map", {
      crs: facts.simple ? L.CRS.Simple : L.CRS.EPSG3857, minZoom: 0, maxZoom: facts.max_zoom, zoomSnap: 0.25, attributionControl: false,
    });
    const options = { maxNativeZoom: facts.native_zoom, maxZoom: facts.max_zoom, noWrap: true, bounds: facts.bounds };
    this.image = L.tileLayer(`${facts.at}/tiles/{z}/{x}/{y}.png`, { ...options, opacity: state.image });
    this.masks = L.tileLayer(this.masksAddress(), { ...options, opacity: state.masks, zIndex: 2 });
    this.group = L.featureGroup();
    this.renderer = L.canvas({ padding: 0.3, tolerance: 4 });
    if (!facts.simple) L.control.scale({ imperial: false, position: "bottomright" }).addTo(this.map);
    this.drawLegendBox();
    for (const [name, words] of [["in", _("Zoom in")], ["out", _("Zoom out")]]) {
      const control = this.map.getContainer().querySelector(`.leaflet-control-zoom-${name}`);
      control.title = words;
      control.setAttribute("aria-label", words);
    }
    if (state.at) this.map.setView(state.at.slice(0, 2), state.at[2], { animate: false });
    else this.home();
    this.image.addTo(this.map);
    this.group.addTo(this.map);
    this.restyle();
    this.map.on("moveend", () => { this.follow(); heard.moved(); });
    this.load();
  }

  get at() {
    const { lat, lng } = this.map.getCenter();
    return [lat, lng, this.map.getZoom()];
  }

  home() {
    this.map.fitBounds(this.facts.focus, { animate: false, padding: [8, 8] });
  }

  drawLegendBox() {
    const control = L.control({ position: "bottomleft" });
    control.onAdd = () => { this.legend = element("div", "legend"); return this.legend; };
    control.addTo(this.map);
  }

  async load() {
    const address = this.facts.by_view ? this.viewAddress() : `${this.facts.at}/layer.geojson`;
    this.request?.abort(); // what has left the sight need not arrive
    this.request = new AbortController();
    this.loaded = address;
    try {
      const response = await fetch(address, { signal: this.request.signal });
      if (!response.ok) throw new Error(response.status === 410 ? _("This link has ended") : _("Outlines could not be loaded"));
      const { features, total } = await response.json();
      this.inSight = total ?? features.length;
      this.group.clearLayers();
      this.items = [];
      this.note = "";
      this.add(features.filter((feature) => feature.geometry), address);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.note = error.message;
      this.drawLegend();
    }
  }

  // They come largest first, so that smaller ones lie on top and can be clicked.
  add(features, address) {
    if (this.loaded !== address) return; // the map has moved on
    for (const feature of features.splice(0, CHUNK)) {
      const layer = L.GeoJSON.geometryToLayer(feature, {});
      layer.options.renderer = this.renderer;
      this.items.push({ layer, row: feature.properties });
      layer.on("click", (event) => { L.DomEvent.stop(event); this.choose(feature.properties.object_id, event.latlng); });
    }
    if (features.length) { setTimeout(() => this.add(features, address), 0); return; }
    this.measure();
    this.restyle();
    this.heard.loaded(this.items.map((item) => item.row));
  }

  viewAddress() {
    const box = this.map.getBounds().pad(0.1);
    const bbox = [box.getWest(), box.getSouth(), box.getEast(), box.getNorth()].map((n) => n.toFixed(7)).join();
    return `${this.facts.at}/layer.geojson?${new URLSearchParams({ bbox, zoom: this.map.getZoom() })}`;
  }

  follow() {
    if (!this.facts.by_view) return;
    clearTimeout(this.pause);
    this.pause = setTimeout(() => { if (this.viewAddress() !== this.loaded) this.load(); }, PAUSE_MS);
  }

  // Ends of what colours tell of.
  measure() {
    this.ends = {};
    for (const name of [this.facts.area, "score"]) {
      const values = this.items.map((item) => item.row[name]).filter(isNumber);
      this.ends[name] = values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
    }
  }

  colorAt(row) {
    const { color } = this.state, { area } = this.facts;
    if (color === "object") return colorOf(row.color);
    if (color === "class") return colorOf(row.class_color);
    if (color !== "area" && color !== "score") return ONE;
    const name = color === "area" ? area : "score", [low, high] = this.ends[name];
    if (!isNumber(row[name]) || !(high > low)) return GREY;
    // Sizes differ by powers of ten.
    if (color === "area") return rampColor(Math.log(row[name] / low) / Math.log(high / low));
    return rampColor((row[name] - low) / (high - low));
  }

  isShown(row) {
    return !isNumber(row.score) || row.score >= this.state.score;
  }

  masksAddress() {
    const { score } = this.state;
    return `${this.facts.at}/masks/{z}/{x}/{y}.png` + (score > 0 ? `?score=${score.toFixed(2)}` : "");
  }

  // A slider on its way asks for no tiles; where it stays, masks follow the outlines.
  filterMasks() {
    clearTimeout(this.filtering);
    this.filtering = setTimeout(() => {
      const address = this.masksAddress();
      if (address !== this.masks._url) this.masks.setUrl(address);
    }, 200);
  }

  restyle() {
    const { image, masks, objects } = this.state;
    this.filterMasks();
    this.image.setOpacity(image);
    this.masks.setOpacity(masks);
    if (masks > 0) this.masks.addTo(this.map); else this.masks.remove();
    for (const { layer, row } of this.items) {
      const wanted = objects > 0 && this.isShown(row), here = row.object_id === this.chosen;
      const color = this.colorAt(row);
      layer.setStyle({ color: here ? CHOSEN : color, weight: here ? 4 : 1.5, opacity: Math.min(1, objects * 2), fillColor: color, fillOpacity: objects * 0.4 });
      if (wanted) this.group.addLayer(layer); else this.group.removeLayer(layer);
    }
    this.drawLegend();
  }

  drawLegend() {
    const { color } = this.state, box = this.legend, shown = this.items.filter((item) => this.isShown(item.row)).length;
    const whole = this.facts.by_view ? this.inSight : this.items.length;
    box.replaceChildren(element("div", "count", this.note || this.countText(shown, whole)));
    if (this.facts.by_view && whole > this.items.length) box.appendChild(element("div", "quiet", _("Zoom in to see all outlines")));
    if (color === "class") this.classLines().forEach((line) => box.appendChild(line));
    if ((color === "area" || color === "score") && this.ends) {
      const isArea = color === "area", [low, high] = this.ends[isArea ? this.facts.area : "score"];
      if (!(high > low)) return;
      const text = (value) => (isArea ? areaText(value, this.facts.area) : value.toFixed(2));
      box.appendChild(element("div", "ramp"));
      const ends = box.appendChild(element("div", "ends"));
      ends.append(element("span", "", text(low)), element("span", "", text(high)));
    }
  }

  countText(shown, whole) {
    const n = numberText(shown, 0), total = numberText(whole, 0);
    if (shown < whole && this.facts.by_view) return _("{n} of {total} objects here", { n, total });
    if (shown < whole) return _("{n} of {total} objects", { n, total });
    if (this.facts.by_view) return ngettext("{n} object here", "{n} objects here", whole, { n });
    return ngettext("{n} object", "{n} objects", whole, { n });
  }

  classLines() {
    const classes = new Map();
    for (const { row } of this.items) {
      const known = classes.get(row.class_name) ?? { color: colorOf(row.class_color), count: 0 };
      classes.set(row.class_name, { ...known, count: known.count + 1 });
    }
    return [...classes].sort((a, b) => b[1].count - a[1].count).slice(0, MOST_CLASSES).map(([name, { color, count }]) => {
      const line = element("div", "line");
      line.appendChild(element("span", "swatch")).style.background = color;
      line.appendChild(element("span", "", `${name || _("No class")}: ${numberText(count, 0)}`));
      return line;
    });
  }

  popupOf(row) {
    const table = element("table");
    for (const column of columnsOf([row], this.facts.area)) {
      const line = table.appendChild(element("tr"));
      line.append(element("th", "", column.title), element("td", "", textOf(row, column)));
    }
    return table;
  }

  choose(id, latlng) {
    this.chosen = id;
    this.restyle();
    const item = this.items.find(({ row }) => row.object_id === id);
    item?.layer.bringToFront();
    if (item && latlng) L.popup({ maxWidth: 260 }).setLatLng(latlng).setContent(this.popupOf(item.row)).openOn(this.map);
    this.heard.chosen(id);
  }

  // Go to an object that was chosen elsewhere.
  async show(id) {
    const item = this.items.find(({ row }) => row.object_id === id);
    let bounds = item?.layer.getBounds();
    if (this.facts.by_view) {
      const response = await fetch(`${this.facts.at}/place/${id}.json`);
      if (!response.ok) return;
      bounds = await response.json();
    }
    this.choose(id);
    if (bounds) this.map.fitBounds(bounds, { maxZoom: this.facts.max_zoom - 2, padding: [60, 60] });
  }
}
