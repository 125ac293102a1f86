// Objects selected on the map of a result, told to the page: for finding similar ones, and for classes.
window.samgeoTeach = window.samgeoTeach || (() => {
  "use strict";

  const PAUSE_MS = 120; // several clicks in a row are told once
  const SAME_PLACE_PX = 5; // a second click this near means what lies around
  const state = { map: null, config: null, editing: false, ids: [], heard: null, last: null, pause: null };

  // Whoever highlights objects on the map has selected them.
  function told(ids) {
    state.ids = [...ids];
    if (!state.config) return;
    clearTimeout(state.pause);
    state.pause = setTimeout(tell, PAUSE_MS);
  }

  function tell() {
    if (!state.config || !window.Streamlit) return;
    const { source, order } = state.config;
    window.Streamlit.setComponentValue({ selected: state.ids, source, order });
  }

  function click(event) {
    if (!state.config || state.editing) return; // the tools for corrections select for themselves
    const hits = window.samgeo.objectsAt(event.layerPoint).map((properties) => properties.object_id);
    const { shiftKey, ctrlKey, metaKey } = event.originalEvent;
    if (shiftKey || ctrlKey || metaKey) {
      if (!hits.length) return;
      const [id] = hits, has = state.ids.includes(id);
      window.samgeo.mark(has ? state.ids.filter((other) => other !== id) : [...state.ids, id]);
      return;
    }
    const again = state.last && state.last.distanceTo(event.containerPoint) <= SAME_PLACE_PX && state.ids.length === 1;
    const at = again ? hits.indexOf(state.ids[0]) : -1;
    state.last = event.containerPoint;
    window.samgeo.mark(hits.length ? [hits[(at + 1) % hits.length]] : []);
  }

  // The page may order a selection; each order is followed once.
  function follow({ order, ids, zoom }) {
    if (!order || order === state.heard) return;
    state.heard = order;
    state.last = null;
    if (window.samgeoEdit && state.editing) window.samgeoEdit.select(ids);
    else window.samgeo.mark(ids);
    if (zoom) window.samgeo.showObjects(ids);
  }

  function update(map, teaching, editing) {
    if (!teaching && !state.map) return;
    if (!state.map) map.on("click", click);
    if (state.config && !teaching && !editing) window.samgeo.mark([]);
    if (state.config && teaching && state.config.source !== teaching.source) state.ids = [];
    Object.assign(state, { map, config: teaching, editing });
    if (teaching) follow(teaching);
  }

  return { told, update };
})();
