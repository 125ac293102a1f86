// What SamGeo Studio adds to a Leaflet map: objects drawn on a canvas, styled in place,
// a legend, and one `update` through which the page changes all of it without a new map.
window.samgeo = window.samgeo || (() => {
  "use strict";

  const CHUNK = 1000; // features added to the map per turn of the event loop
  const NEAR_PX = 14; // a finger that misses an object by less means it
  const PAUSE_MS = 250; // the map has stopped moving after this long
  const state = {
    map: null, layers: {}, items: [], view: {}, source: null, note: "", hint: "",
    loading: false, marked: new Set(), // ids of objects that somebody selected on the map
    groups: new Map(), // the group of each object that belongs to one
  };

  // Values the page has not set yet.
  const defaults = {
    style: { color: "#3388ff", weight: 2, fillColor: "#7c4185", fillOpacity: 0.5 },
    opacity: {}, selected: null, selected_at: null, area: null, inside: null, source: null, by_view: false, masks: null,
    editing: null, teaching: null, groups: [], comparison: null,
  };

  const view = () => ({ ...defaults, ...state.view });

  function styleOf(item, style, selected) {
    const id = item.properties.object_id;
    const chosen = id === selected || state.marked.has(id), color = state.groups.get(id)?.color;
    // Where there are groups, what is in none steps back.
    const share = color || !state.groups.size ? 1 : 0.3;
    return {
      ...style, stroke: style.weight > 0, fill: true, interactive: true, opacity: 1, fillOpacity: style.fillOpacity * share,
      fillColor: color || style.fillColor,
      color: chosen ? "#ffb000" : color || style.color,
      weight: chosen ? style.weight + 3 : style.weight,
    };
  }

  function restyle() {
    const { style, selected } = view();
    for (const item of state.items) item.layer.setStyle(styleOf(item, style, selected));
    drawLegend();
  }

  // Highlight objects; others that were lose it.
  function mark(ids) {
    const before = state.marked;
    state.marked = new Set(ids);
    const { style, selected } = view();
    for (const item of state.items) {
      const id = item.properties.object_id;
      if (before.has(id) !== state.marked.has(id)) item.layer.setStyle(styleOf(item, style, selected));
    }
    if (window.samgeoTeach) window.samgeoTeach.told(ids);
  }

  // Objects of a group bear its colour: classes, or what is similar.
  function regroup() {
    state.groups = new Map(view().groups.flatMap((group) => group.ids.map((id) => [id, group])));
    restyle();
  }

  const numberText = (value, digits) => value.toLocaleString("en", { maximumFractionDigits: digits });

  function tooltipRows(p) {
    const rows = [[_("Object"), p.object_id]];
    const group = state.groups.get(p.object_id);
    if (group) rows.push([group.title, group.name]);
    if (p.parent_id) rows.push([_("Inside object"), p.parent_id]);
    if (p.area_m2 !== null && p.area_m2 !== undefined) rows.push([_("Area"), _("{n} m²", { n: numberText(p.area_m2, 1) })]);
    else if (p.area_px !== undefined) rows.push([_("Area"), `${numberText(p.area_px, 0)} px`]);
    if (p.perimeter_m !== null && p.perimeter_m !== undefined) rows.push([_("Perimeter"), _("{n} m", { n: numberText(p.perimeter_m, 1) })]);
    if (p.score !== undefined) rows.push([_("Quality"), numberText(p.score, 3)]);
    if (p.stability !== undefined) rows.push([_("Stability"), numberText(p.stability, 3)]);
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

  // Of what goes part by part only some objects may be drawn: those in sight, and the largest of them.
  function objectsText(count) {
    const n = numberText(count, 0), total = numberText(state.inSight, 0);
    if (!view().by_view) return ngettext("{n} object", "{n} objects", count, { n });
    if (state.inSight > count) return _("{n} of {total} objects here", { n, total });
    return ngettext("{n} object here", "{n} objects here", count, { n });
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
      const text = state.note || objectsText(total);
      row.appendChild(element("span", "samgeo-count", text));
      if (state.hint) box.appendChild(element("div", "samgeo-hint", state.hint));
      for (const { name, color, ids } of view().groups) {
        const line = box.appendChild(element("div", "samgeo-row"));
        line.appendChild(element("span", "samgeo-swatch")).style.background = color;
        line.appendChild(element("span", "", `${name}: ${numberText(ids.length, 0)}`));
      }
    }
    if (state.layers.masks && state.map.hasLayer(state.layers.masks)) {
      const row = box.appendChild(element("div", "samgeo-row"));
      row.appendChild(element("span", "samgeo-swatch samgeo-rainbow"));
      row.appendChild(element("span", "", _("Masks, one colour each")));
    }
    if (window.samgeoCompare) window.samgeoCompare.legend(box, element);
    if (state.basemapLost) box.appendChild(element("div", "samgeo-hint", _("Satellite map not reachable")));
    box.style.display = box.childElementCount ? "" : "none";
  }

  function addFeatures(group, features, source) {
    if (state.source !== source) return; // another result came in between
    for (const feature of features.splice(0, CHUNK)) addFeature(group, feature);
    if (features.length) setTimeout(() => addFeatures(group, features, source), 0);
    else { state.note = ""; state.loading = false; }
    drawLegend();
  }

  function addFeature(group, feature) {
    const { style, selected } = view();
    const layer = L.GeoJSON.geometryToLayer(feature, group.options);
    const item = { layer, properties: feature.properties };
    layer.feature = feature;
    Object.assign(layer.options, { renderer: group.options.renderer }, styleOf(item, style, selected));
    state.items.push(item);
    group.addLayer(layer);
  }

  // Put into place what an edit changed: see `edit_changes.told_change`. Objects that stay keep their
  // order, and their new numbers are those that the added ones leave free.
  function patch({ removed, added, parents, total, source, masks }) {
    if (source === state.source) return; // the page was quicker
    state.view = { ...state.view, source, masks };
    state.marked = new Set();
    if (state.layers.masks) state.layers.masks.setUrl(masks);
    if (added === null || state.loading) { load(source); return; }
    const group = state.layers.objects, gone = new Set(removed);
    const taken = new Set(added.map((feature) => feature.properties.object_id));
    const numbers = new Map();
    for (let old = 1, next = 0; old <= total - added.length + removed.length; old += 1) {
      if (gone.has(old)) continue;
      do next += 1; while (taken.has(next));
      numbers.set(old, next);
    }
    group.closeTooltip(); // it may tell of what goes
    for (const item of state.items) if (gone.has(item.properties.object_id)) group.removeLayer(item.layer);
    state.items = state.items.filter((item) => !gone.has(item.properties.object_id));
    for (const { properties } of state.items) {
      properties.object_id = numbers.get(properties.object_id);
      properties.parent_id = parents[properties.object_id] ?? numbers.get(properties.parent_id) ?? 0;
    }
    Object.assign(state, { source, inSight: total });
    const shown = added.filter((feature) => feature.geometry);
    for (const feature of shown) addFeature(group, feature);
    if (shown.length && state.map.hasLayer(group)) raise(shown[0].properties.area_px);
    const groups = view().groups.map((g) => ({ ...g, ids: g.ids.flatMap((id) => numbers.get(id) ?? []) }));
    state.view = { ...state.view, groups, selected: numbers.get(view().selected) ?? null };
    regroup();
  }

  // Smaller objects lie on top, so that they can be seen and clicked.
  function raise(area) {
    const above = state.items.filter((item) => item.properties.area_px <= area);
    above.sort((a, b) => b.properties.area_px - a.properties.area_px);
    for (const { layer } of above) layer.bringToFront();
  }

  // Objects at a point of the map, the smallest first; without any, one that is nearly there.
  function objectsAt(point) {
    if (!state.map.hasLayer(state.layers.objects)) return [];
    const hits = state.items.filter(({ layer }) => layer._containsPoint && layer._containsPoint(point));
    hits.sort((a, b) => a.properties.area_px - b.properties.area_px);
    if (hits.length) return hits.map((item) => item.properties);
    const away = ({ layer }) => (layer._pxBounds ? layer._pxBounds.getCenter().distanceTo(point) : Infinity);
    const near = state.items.filter((item) => away(item) < NEAR_PX).sort((a, b) => away(a) - away(b));
    return near.slice(0, 1).map((item) => item.properties);
  }

  function clearObjects() {
    state.items = [];
    state.layers.objects.clearLayers();
  }

  // The address of what is in sight: a little more than the map, so that a small step shows no gap.
  function viewAddress() {
    const bounds = state.map.getBounds().pad(0.1);
    const bbox = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
    const query = new URLSearchParams({ bbox: bbox.map((n) => n.toFixed(7)).join(), zoom: state.map.getZoom() });
    return `${view().source}?${query}`;
  }

  // NOTE: the frame has no height at first, and then nothing is in sight.
  function follow() {
    clearTimeout(state.pause);
    state.pause = setTimeout(() => {
      const { x, y } = state.map.getSize();
      if (!view().by_view || !x || !y || !state.map.hasLayer(state.layers.objects)) return;
      const wanted = viewAddress();
      if (wanted !== state.source) load(wanted);
    }, PAUSE_MS);
  }

  async function load(source) {
    const group = state.layers.objects;
    Object.assign(state, { source, loading: true });
    if (view().by_view) state.request?.abort(); // what has left the sight need not arrive
    state.request = new AbortController();
    state.note = source && !(view().by_view && state.items.length) ? _("Loading objects…") : "";
    drawLegend();
    if (!source) { state.loading = false; clearObjects(); return; }
    try {
      const response = await fetch(source, { signal: state.request.signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const { features, total } = await response.json();
      if (state.source !== source) return;
      // The objects before stay in sight until these are here.
      clearObjects();
      state.inSight = total ?? features.length;
      state.hint = state.inSight > features.length ? _("Zoom in to see all outlines") : "";
      // NOTE: they come largest first, so that smaller objects lie on top and can be hovered.
      addFeatures(group, features.filter((feature) => feature.geometry), source);
    } catch (error) {
      console.warn("objects not loaded:", error);
      if (state.source !== source) return;
      clearObjects();
      state.loading = false;
      state.hint = "";
      state.note = _("Objects could not be loaded");
      drawLegend();
    }
  }

  function showArea(corners) {
    if (state.areaLayer) { state.map.removeLayer(state.areaLayer); state.areaLayer = null; }
    if (!corners) return;
    const dashed = { color: "#ffb000", weight: 2, dashArray: "6 4", fill: false, interactive: false };
    state.areaLayer = L.polygon(corners, dashed).addTo(state.map);
  }

  function showInside(rings) {
    state.insideLayer?.remove();
    state.insideLayer = null;
    if (!rings) return;
    const solid = { color: "#ffb000", weight: 2, fill: false, interactive: false };
    state.insideLayer = L.featureGroup(rings.map((ring) => (ring.length < 3
      ? L.featureGroup(ring.map((place) => L.circleMarker(place, { ...solid, radius: 5 })))
      : L.polygon(ring, solid)))).addTo(state.map);
  }

  function showSelected(selected, before) {
    if (selected === null || selected === before) return;
    const place = view().selected_at;
    if (place) { state.map.fitBounds(place, { maxZoom: state.map.getMaxZoom() - 2, padding: [60, 60] }); return; }
    const item = state.items.find((other) => other.properties.object_id === selected);
    if (!item) return;
    item.layer.bringToFront();
    state.map.fitBounds(item.layer.getBounds(), { maxZoom: state.map.getMaxZoom() - 2, padding: [60, 60] });
  }

  // Go to objects that the page has selected.
  function showObjects(ids) {
    const found = state.items.filter((item) => ids.includes(item.properties.object_id));
    if (!found.length) return;
    const bounds = L.featureGroup(found.map((item) => item.layer)).getBounds();
    state.map.fitBounds(bounds, { maxZoom: state.map.getMaxZoom() - 3, padding: [90, 90] });
  }

  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  function update(next) {
    const before = view();
    const heard = window.samgeoEdit ? window.samgeoEdit.heed(next, state.view) : next;
    state.view = { ...state.view, ...heard };
    const now = view();
    if (now.source !== before.source) state.marked = new Set(); // numbers belong to one result
    for (const [name, value] of Object.entries(now.opacity)) {
      if (state.layers[name]) state.layers[name].setOpacity(value);
    }
    if (!same(before.area, now.area)) showArea(now.area);
    if (!same(before.inside, now.inside)) showInside(now.inside);
    if (state.layers.objects && now.source !== before.source) { if (now.by_view) follow(); else load(now.source); }
    else if (!same([before.style, before.selected], [now.style, now.selected])) restyle();
    if (!same(before.groups, now.groups)) regroup();
    if (state.layers.masks && now.masks && now.masks !== before.masks) state.layers.masks.setUrl(now.masks);
    showSelected(now.selected, before.selected);
    if (window.samgeoEdit) window.samgeoEdit.update(state.map, now.editing);
    if (window.samgeoCompare) window.samgeoCompare.update(state.map, state.layers.objects, now.comparison);
    if (window.samgeoTeach) window.samgeoTeach.update(state.map, now.teaching, Boolean(now.editing));
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
    const go = window.samgeoView?.follow(map, bounds) ?? (() => map.fitBounds(bounds, { animate: false }));
    const fit = () => { if (!touched) go(); };
    for (const name of ["mousedown", "wheel", "touchstart", "keydown"]) {
      map.getContainer().addEventListener(name, () => { touched = true; }, { passive: true, once: true });
    }
    map.on("resize", fit);
    fit();
  }

  // What Leaflet says by itself.
  function sayControls(container) {
    const said = { "zoom-in": _("Zoom in"), "zoom-out": _("Zoom out"), "layers-toggle": _("Layers") };
    for (const [name, words] of Object.entries(said)) {
      const control = container.querySelector(`.leaflet-control-${name}`);
      control?.setAttribute("title", words);
      control?.setAttribute("aria-label", words);
    }
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
    if (layers.objects) map.on("moveend resize overlayadd", follow);
    if (layers.basemap) watchBasemap(map, layers.basemap);
    if (layers.objects) window.samgeoSwipe?.setup(map, layers);
    map.attributionControl.setPrefix(false);
    sayControls(map.getContainer());
    keepInSight(map, bounds);
    drawLegend();
  }

  return { objects, setup, update, mark, objectsAt, patch, showObjects, drawLegend };
})();
