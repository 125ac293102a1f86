// What is in sight of a map stands in the address of its page, so that a reload or a link shows the same.
window.samgeoView = window.samgeoView || (() => {
  "use strict";

  const PARAM = "view"; // "lat,lng,zoom"

  // Streamlit shows the map in a frame of its own origin.
  const page = window.parent;

  function wanted(map, bounds) {
    const parts = (new URLSearchParams(page.location.search).get(PARAM) ?? "").split(",");
    const [lat, lng, zoom] = parts.map(Number);
    if (parts.length !== 3 || parts.includes("") || ![lat, lng, zoom].every(Number.isFinite)) return null;
    // A place far from this image belongs to another one.
    const near = L.latLngBounds(bounds).pad(0.5).contains([lat, lng]);
    return near && zoom >= map.getMinZoom() && zoom <= map.getMaxZoom() ? { center: [lat, lng], zoom } : null;
  }

  function write(map) {
    const { lat, lng } = map.getCenter(), digits = map.options.crs === L.CRS.Simple ? 3 : 6;
    const address = new URL(page.location.href);
    const text = [lat.toFixed(digits), lng.toFixed(digits), Number(map.getZoom().toFixed(2))].join();
    const others = [...address.searchParams].filter(([name]) => name !== PARAM);
    // Commas stay commas, to be read by people.
    address.search = [new URLSearchParams(others).toString(), `${PARAM}=${text}`].filter(Boolean).join("&");
    page.history.replaceState(page.history.state, "", address);
  }

  // Go where the address says; tells how to go there again, null where it says nothing.
  function follow(map, bounds) {
    let moved = false;
    for (const name of ["mousedown", "wheel", "touchstart", "keydown"]) {
      map.getContainer().addEventListener(name, () => { moved = true; }, { passive: true });
    }
    // Only what a person looks at is worth an address, not how the map began.
    map.on("moveend", () => { if (moved) write(map); });
    const place = wanted(map, bounds);
    return place && (() => map.setView(place.center, place.zoom, { animate: false }));
  }

  return { follow };
})();
