// What a pointer does on the map of the page Pick: clicks, boxes, outlines, with mouse, pen or finger.
window.samgeoPickTools = window.samgeoPickTools || (() => {
  "use strict";

  const DRAG_PX = 6; // a pointer that moves less than this clicks
  const CLOSE_PX = 14; // an outline ends where it began, within this
  const HOLD_MS = 500; // a finger that stays where it is for so long excludes
  const STEP_PX = 3; // corners of a line drawn by hand lie at least so far apart
  const LINE = { color: "#fff", weight: 2, dashArray: "6 4", fill: false, interactive: false, pane: "pickPrompts" };
  const DRAWS = ["box", "lasso"];

  // found: {point(latlng, label, event), box(latlngs), polygon(latlngs), select(latlng)}
  // axes: three places [lng, lat] on the raster: one, one more to its right, one further down.
  function create(map, axes, found) {
    const container = map.getContainer();
    let tool = "include";
    let drawing = null; // {kind, points: container px, start, line, pointer, dragged}
    const pointers = new Set();
    let busy = false; // whether the pointer that was last down drew or was held: then it didn't click
    let hold = null; // {from, timer}: a finger that may become a long press

    const latlngs = (points) => points.map((point) => map.containerPointToLatLng(point));
    const at = (event) => map.mouseEventToContainerPoint(event);
    const onControl = (event) => event.target.closest && event.target.closest(".leaflet-control");

    // A box follows rows and columns of the image, also where the image is turned on the map.
    function boxPoints(a, b) {
      const [o, right, down] = axes.map(([lng, lat]) => map.latLngToContainerPoint([lat, lng]));
      const u = right.subtract(o), v = down.subtract(o), d = b.subtract(a);
      const area = u.x * v.y - u.y * v.x;
      const along = (d.x * v.y - d.y * v.x) / area, across = (u.x * d.y - u.y * d.x) / area;
      const side = u.multiplyBy(along), edge = v.multiplyBy(across);
      return [a, a.add(side), a.add(side).add(edge), a.add(edge)];
    }

    function shape() {
      if (drawing.kind === "box") return boxPoints(drawing.points[0], drawing.points[1]);
      return drawing.hover ? [...drawing.points, drawing.hover] : drawing.points;
    }

    function show() {
      const points = latlngs(shape());
      if (drawing.line) drawing.line.setLatLngs(points);
      else drawing.line = (drawing.kind === "box" ? L.polygon(points, LINE) : L.polyline(points, LINE)).addTo(map);
    }

    // Corners are kept as places, as the map may be moved between two clicks.
    function keepInPlace() {
      if (drawing && drawing.places) drawing.points = drawing.places.map((place) => map.latLngToContainerPoint(place));
    }

    function cancel() {
      if (!drawing) return false;
      if (drawing.line) map.removeLayer(drawing.line);
      drawing = null;
      found.drawing(null);
      return true;
    }

    function finish() {
      const { kind } = drawing;
      drawing.hover = null;
      const points = shape();
      cancel();
      if (kind === "box") found.box(latlngs(points));
      else if (points.length >= 3) found.polygon(latlngs(L.LineUtil.simplify(points, 1.5).slice(0, 1500)));
    }

    function down(event) {
      pointers.add(event.pointerId);
      busy = false;
      letGo();
      if (event.pointerType === "touch" && pointers.size === 1 && !["move", "lasso"].includes(tool) && !onControl(event)) {
        hold = { from: at(event), timer: setTimeout(held, HOLD_MS) };
      }
      if (!DRAWS.includes(tool) || onControl(event)) return;
      if (pointers.size > 1) { if (drawing && drawing.pointer !== null) cancel(); return; } // two fingers zoom
      if (event.button !== 0) return;
      const point = at(event);
      if (tool === "box") drawing = { kind: "box", points: [point, point], pointer: event.pointerId };
      else if (!drawing) drawing = { kind: "lasso", points: [], places: [] };
      Object.assign(drawing, { pointer: event.pointerId, from: point, dragged: false });
      container.setPointerCapture(event.pointerId);
    }

    function letGo() {
      if (hold) clearTimeout(hold.timer);
      hold = null;
    }

    function held() {
      const { from } = hold;
      letGo();
      cancel();
      busy = true;
      found.point(map.containerPointToLatLng(from), 0, { timeStamp: performance.now() });
    }

    function move(event) {
      const point = at(event);
      if (hold && point.distanceTo(hold.from) > DRAG_PX) letGo();
      if (!drawing) return;
      if (drawing.pointer === null) { drawing.hover = point; show(); return; }
      if (event.pointerId !== drawing.pointer) return;
      drawing.dragged = drawing.dragged || point.distanceTo(drawing.from) > DRAG_PX;
      if (!drawing.dragged) return;
      if (drawing.kind === "box") drawing.points[1] = point;
      else {
        if (!drawing.points.length) addCorner(drawing.from);
        if (drawing.points[drawing.points.length - 1].distanceTo(point) > STEP_PX) addCorner(point);
      }
      show();
    }

    function addCorner(point) {
      drawing.points.push(point);
      drawing.places.push(map.containerPointToLatLng(point));
    }

    function up(event) {
      pointers.delete(event.pointerId);
      letGo();
      if (!drawing || event.pointerId !== drawing.pointer) return;
      const point = at(event);
      const { dragged } = drawing;
      busy = dragged;
      if (drawing.kind === "box") {
        if (dragged) finish();
        else cancel();
        return;
      }
      drawing.pointer = null;
      if (dragged) { finish(); return; }
      const { points } = drawing;
      if (points.length >= 3 && point.distanceTo(points[0]) < CLOSE_PX) { finish(); return; }
      addCorner(point);
      drawing.hover = null;
      show();
      found.drawing(points.length);
    }

    function lost(event) {
      pointers.delete(event.pointerId);
      letGo();
      if (drawing && drawing.pointer === event.pointerId) cancel();
    }

    // NOTE: else a drag selects text, and the next one drags that text away.
    container.addEventListener("dragstart", (event) => event.preventDefault());
    container.addEventListener("pointerdown", down);
    container.addEventListener("pointermove", move);
    container.addEventListener("pointerup", up);
    container.addEventListener("pointercancel", lost);
    map.on("zoomend moveend", keepInPlace);

    map.on("click", (event) => {
      if (tool === "move") found.select(event.latlng);
      if (tool === "move" || tool === "lasso" || busy) return;
      const label = tool === "exclude" || event.originalEvent.altKey ? 0 : 1;
      found.point(event.latlng, label, event.originalEvent);
    });
    // A right click. Some touch screens send this for a long press too, which was heard already.
    if (map.tapHold) map.tapHold.disable();
    map.on("contextmenu", (event) => {
      event.originalEvent.preventDefault();
      if (event.originalEvent.pointerType === "touch") return;
      if (tool === "lasso" && drawing) { cancel(); return; }
      if (tool !== "move") found.point(event.latlng, 0, event.originalEvent);
    });

    function setTool(name) {
      cancel();
      tool = name;
      const draws = DRAWS.includes(name);
      map.dragging[draws ? "disable" : "enable"]();
      map.boxZoom[draws ? "disable" : "enable"]();
      map.doubleClickZoom[name === "move" ? "enable" : "disable"]();
      // NOTE: Leaflet lets the page scroll under a finger while its own dragging is off.
      container.style.touchAction = draws ? "none" : "";
      container.dataset.tool = name;
    }

    function takeBackCorner() {
      if (!drawing || drawing.kind !== "lasso" || drawing.points.length < 2) return cancel();
      drawing.points.pop();
      drawing.places.pop();
      drawing.hover = null;
      show();
      return true;
    }

    setTool(tool);
    return {
      setTool, cancel, takeBackCorner,
      get tool() { return tool; },
      get isDrawing() { return drawing !== null; },
      close: () => { if (drawing && drawing.kind === "lasso" && drawing.points.length >= 3) { finish(); return true; } return false; },
    };
  }

  return { create };
})();
