// What SamGeo Studio adds to a Leaflet map: objects drawn on a canvas, styled in place,
// a legend, and one `update` through which the page changes all of it without a new map.
window.samgeo = window.samgeo || (() => {
  "use strict";

  const CHUNK = 1000; // features added to the map per turn of the event loop
  const state = { map: null, layers: {}, items: [], view: {}, source: null, note: "" };

  // Values the page has not set yet.
  const defaults = {
    style: { color: "#3388ff", weight: 2, fillColor: "#7c4185", fillOpacity: 0.5 },
    opacity: {}, selected: null, area: null, source: null, masks: null,
  };

  const view = () => ({ ...defaults, ...state.view });

  function styleOf(item, style, selected) {
    const chosen = item.properties.object_id === selected;
    return {
      ...style, stroke: style.weight > 0, fill: true, interactive: true, opacity: 1,
      color: chosen ? "#ffb000" : style.color,
      weight: chosen ? style.weight + 3 : style.weight,
    };
  }

  function restyle() {
    const { style, selected } = view();
    for (const item of state.items) item.layer.setStyle(styleOf(item, style, selected));
    drawLegend();
  }

  const numberText = (value, digits) => value.toLocaleString("en", { maximumFractionDigits: digits });

  function tooltipRows(p) {
    const rows = [["Object", p.object_id]];
    if (p.parent_id) rows.push(["Inside object", p.parent_id]);
    if (p.area_m2 !== null && p.area_m2 !== undefined) rows.push(["Area", `${numberText(p.area_m2, 1)} m²`]);
    else if (p.area_px !== undefined) rows.push(["Area", `${numberText(p.area_px, 0)} px`]);
    if (p.perimeter_m !== null && p.perimeter_m !== undefined) rows.push(["Perimeter", `${numberText(p.perimeter_m, 1)} m`]);
    if (p.score !== undefined) rows.push(["Quality", numberText(p.score, 3)]);
    if (p.stability !== undefined) rows.push(["Stability", numberText(p.stability, 3)]);
    return rows;
  }

  // Text goes in as text nodes only: attributes are data, never markup.
  function element(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = String(text);
    return node;
  }

  function tooltip(layer) {
    const table = element("table", "samgeo-tip");
    for (const [name, value] of tooltipRows(layer.feature.properties)) {
      const row = table.appendChild(element("tr"));
      row.appendChild(element("th", "", name));
      row.appendChild(element("td", "", value));
    }
    return table;
  }

  function drawLegend() {
    const box = state.legend;
    if (!box) return;
    box.replaceChildren();
    const { style } = view();
    if (state.source && state.map.hasLayer(state.layers.objects)) {
      const row = box.appendChild(element("div", "samgeo-row"));
      const swatch = row.appendChild(element("span", "samgeo-swatch"));
      swatch.style.border = `${Math.min(style.weight, 4)}px solid ${style.color}`;
      const fill = swatch.appendChild(element("span"));
      fill.style.background = style.fillColor;
      fill.style.opacity = style.fillOpacity;
      const total = state.items.length;
      const text = state.note || `${numberText(total, 0)} object${total === 1 ? "" : "s"}`;
      row.appendChild(element("span", "samgeo-count", text));
    }
    if (state.layers.masks && state.map.hasLayer(state.layers.masks)) {
      const row = box.appendChild(element("div", "samgeo-row"));
      row.appendChild(element("span", "samgeo-swatch samgeo-rainbow"));
      row.appendChild(element("span", "", "Masks, one colour each"));
    }
    if (state.basemapLost) box.appendChild(element("div", "samgeo-hint", "Satellite map not reachable"));
    box.style.display = box.childElementCount ? "" : "none";
  }

  function addFeatures(group, features, source) {
    if (state.source !== source) return; // another result came in between
    const { style, selected } = view();
    for (const feature of features.splice(0, CHUNK)) {
      const layer = L.GeoJSON.geometryToLayer(feature, group.options);
      const item = { layer, properties: feature.properties };
      layer.feature = feature;
      Object.assign(layer.options, { renderer: group.options.renderer }, styleOf(item, style, selected));
      state.items.push(item);
      group.addLayer(layer);
    }
    if (features.length) setTimeout(() => addFeatures(group, features, source), 0);
    else state.note = "";
    drawLegend();
  }

  function clearObjects() {
    state.items = [];
    state.layers.objects.clearLayers();
  }

  async function load(source) {
    const group = state.layers.objects;
    state.source = source;
    state.note = source ? "Loading objects…" : "";
    drawLegend();
    if (!source) { clearObjects(); return; }
    try {
      const response = await fetch(source);
      if (!response.ok) throw new Error(`status ${response.status}`);
      const { features } = await response.json();
      if (state.source !== source) return;
      // The objects before stay in sight until these are here.
      clearObjects();
      // NOTE: they come largest first, so that smaller objects lie on top and can be hovered.
      addFeatures(group, features.filter((feature) => feature.geometry), source);
    } catch (error) {
      console.warn("objects not loaded:", error);
      if (state.source !== source) return;
      clearObjects();
      state.note = "Objects could not be loaded";
      drawLegend();
    }
  }

  function showArea(corners) {
    if (state.areaLayer) { state.map.removeLayer(state.areaLayer); state.areaLayer = null; }
    if (!corners) return;
    const dashed = { color: "#ffb000", weight: 2, dashArray: "6 4", fill: false, interactive: false };
    state.areaLayer = L.polygon(corners, dashed).addTo(state.map);
  }

  function showSelected(selected, before) {
    if (selected === null || selected === before) return;
    const item = state.items.find((other) => other.properties.object_id === selected);
    if (!item) return;
    item.layer.bringToFront();
    state.map.fitBounds(item.layer.getBounds(), { maxZoom: state.map.getMaxZoom() - 2, padding: [60, 60] });
  }

  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  function update(next) {
    const before = view();
    state.view = { ...state.view, ...next };
    const now = view();
    for (const [name, value] of Object.entries(now.opacity)) {
      if (state.layers[name]) state.layers[name].setOpacity(value);
    }
    if (!same(before.area, now.area)) showArea(now.area);
    if (state.layers.objects && now.source !== state.source) load(now.source);
    else if (!same([before.style, before.selected], [now.style, now.selected])) restyle();
    if (state.layers.masks && now.masks && now.masks !== before.masks) state.layers.masks.setUrl(now.masks);
    showSelected(now.selected, before.selected);
  }

  function objects() {
    return L.geoJSON(null, { renderer: L.canvas({ padding: 0.3, tolerance: 2 }) })
      .bindTooltip(tooltip, { sticky: true, className: "samgeo-tooltip" });
  }

  function watchBasemap(map, basemap) {
    let loaded = false, failed = 0;
    basemap.on("tileload", () => { loaded = true; });
    basemap.on("tileerror", () => {
      failed += 1;
      if (loaded || failed < 4 || !map.hasLayer(basemap)) return;
      map.removeLayer(basemap);
      state.basemapLost = true;
      drawLegend();
    });
    map.on("overlayadd", (event) => {
      if (event.layer === basemap) { failed = 0; state.basemapLost = false; drawLegend(); }
    });
  }

  // The frame gets its height only after the map is there, and may change with the screen: what is to
  // be seen is fitted again until somebody moves the map.
  function keepInSight(map, bounds) {
    let touched = false;
    const fit = () => { if (!touched) map.fitBounds(bounds, { animate: false }); };
    for (const name of ["mousedown", "wheel", "touchstart", "keydown"]) {
      map.getContainer().addEventListener(name, () => { touched = true; }, { passive: true, once: true });
    }
    map.on("resize", fit);
    fit();
  }

  function setup(map, layers, { scale, bounds }) {
    Object.assign(state, { map, layers });
    const legend = L.control({ position: "bottomleft" });
    legend.onAdd = () => {
      state.legend = element("div", "samgeo-legend leaflet-bar");
      return state.legend;
    };
    legend.addTo(map);
    if (scale) L.control.scale({ imperial: false, position: "bottomright" }).addTo(map);
    map.on("overlayadd overlayremove", drawLegend);
    if (layers.basemap) watchBasemap(map, layers.basemap);
    map.attributionControl.setPrefix(false);
    keepInSight(map, bounds);
    drawLegend();
  }

  return { objects, setup, update };
})();
