// What the map of the page Pick shows: accepted objects, the one at hand, what points at it, a preview.
window.samgeoPickDraw = window.samgeoPickDraw || (() => {
  "use strict";

  const COLORS = ["#f6c445", "#e26ee5", "#5bc8f5", "#ff8a5b", "#8fd14f", "#b39bff", "#ff6f91", "#4fd1b5"];
  const ACTIVE = "#00e0c6";

  const colorOf = (number) => COLORS[(number - 1) % COLORS.length];

  // Whether a place lies in a polygon: an even number of edges to its right means outside.
  function holds(latlngs, place) {
    const rings = L.LineUtil.isFlat(latlngs) ? [latlngs] : latlngs.flat(L.LineUtil.isFlat(latlngs[0]) ? 0 : 1);
    let inside = false;
    for (const ring of rings) {
      ring.forEach((a, i) => {
        const b = ring[(i + 1) % ring.length];
        if ((a.lat > place.lat) === (b.lat > place.lat)) return;
        if (place.lng < ((b.lng - a.lng) * (place.lat - a.lat)) / (b.lat - a.lat) + a.lng) inside = !inside;
      });
    }
    return inside;
  }

  // state: what the server told last; outlines: mask key -> GeoJSON geometry.
  function create(map, state, outlines) {
    const drawn = new Map(); // object number -> {key, layer}

    // Layers, from below: objects, the one at hand, prompts.

    for (const [name, zIndex] of [["pickObjects", 410], ["pickActive", 420], ["pickPrompts", 430]]) {
      const pane = map.createPane(name);
      pane.style.zIndex = zIndex;
      pane.style.pointerEvents = "none";
    }
    const canvas = L.canvas({ pane: "pickObjects", padding: 0.3 });
    const svg = L.svg({ pane: "pickActive", padding: 0.5 });
    const activeLayer = L.layerGroup().addTo(map);
    const promptLayer = L.layerGroup().addTo(map);
    const previewLayer = L.layerGroup().addTo(map);

    function latlngsOf(geometry) {
      const levels = geometry.type === "MultiPolygon" ? 2 : 1;
      return L.GeoJSON.coordsToLatLngs(geometry.coordinates, levels);
    }

    const polygon = (key, style) => L.polygon(latlngsOf(outlines.get(key)), { interactive: false, ...style });

    function objects() {
      const wanted = new Map();
      for (const item of state.objects) {
        if (state.active && item.number === state.active.number) continue;
        if (outlines.has(item.key)) wanted.set(item.number, item.key);
      }
      for (const [number, { key, layer }] of drawn) {
        if (wanted.get(number) === key) continue;
        map.removeLayer(layer);
        drawn.delete(number);
      }
      for (const [number, key] of wanted) {
        if (drawn.has(number)) continue;
        const color = colorOf(number);
        const style = { renderer: canvas, color, weight: 2, fillColor: color, fillOpacity: 0.22 };
        drawn.set(number, { key, layer: polygon(key, style).addTo(map) });
      }
    }

    function active() {
      activeLayer.clearLayers();
      const now = state.active;
      if (!now) return;
      const key = now.candidates[now.chosen].key;
      if (!outlines.has(key)) return;
      // A dark line below a bright one shows on any image.
      activeLayer.addLayer(polygon(key, { renderer: svg, color: "#06211d", weight: 5, opacity: 0.55, fill: false }));
      const style = { renderer: svg, color: ACTIVE, weight: 2.5, fillColor: ACTIVE, fillOpacity: 0.26 };
      activeLayer.addLayer(polygon(key, { ...style, className: "pick-mask" }));
    }

    function marker([lng, lat, label]) {
      const html = `<span class="pick-point pick-point-${label ? "in" : "out"}">${label ? "+" : "−"}</span>`;
      const sign = L.divIcon({ html, className: "", iconSize: [18, 18] });
      return L.marker([lat, lng], { icon: sign, interactive: false, keyboard: false, pane: "pickPrompts" });
    }

    function prompts() {
      promptLayer.clearLayers();
      if (!state.active) return;
      const { points, box, polygon: ring } = state.active.prompts;
      const style = { color: "#fff", weight: 1.5, dashArray: "5 4", fill: false, interactive: false, pane: "pickPrompts" };
      for (const corners of [box, ring]) {
        if (corners) promptLayer.addLayer(L.polygon(L.GeoJSON.coordsToLatLngs(corners), style));
      }
      for (const point of points) promptLayer.addLayer(marker(point));
    }

    function preview(key) {
      previewLayer.clearLayers();
      if (key === null) return;
      const style = { renderer: svg, color: "#fff", weight: 2, dashArray: "2 5", fillColor: "#fff", fillOpacity: 0.16 };
      previewLayer.addLayer(polygon(key, { ...style, className: "pick-preview" }));
    }

    function all() {
      preview(null);
      objects();
      active();
      prompts();
    }

    return {
      all, active, preview, colorOf,
      point: (place) => promptLayer.addLayer(marker(place)),
      covers: (number, place) => drawn.has(number) && holds(drawn.get(number).layer.getLatLngs(), place),
      boundsOf: (key) => L.polygon(latlngsOf(outlines.get(key))).getBounds(),
    };
  }

  return { create };
})();
