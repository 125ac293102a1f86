// Three steps for who comes for the first time: a card in the corner that is in nobody's way.

const SEEN = "samgeo_tour";

function tourSteps() {
  return [
    { title: _("1. Open an image"), text: _("Drop in an aerial or satellite image, or take a sample: one click opens it. Images of the server, of an address or of a map of the world are below.") },
    { title: _("2. Say what you look for, and run"), text: _("On the page Segment, choose a purpose such as roofs or fields, try it on a small area, then run it on the whole image. On the page Pick, point at single objects instead.") },
    { title: _("3. Look, correct, take along"), text: _("On the page Result, change limits and see at once what remains, correct objects on the map, and download layers, a report or a QGIS project.") },
  ];
}

function remember() {
  try { localStorage.setItem(SEEN, "seen"); } catch { /* Nothing may be kept: it was shown, that is all. */ }
}

// Only on the very first visit, at the front door: a link to an image or a run leads to what it names.
function isFirstVisit(data) {
  const named = [...new URLSearchParams(location.search).keys()].some((name) => name !== "lang");
  if (!data.fresh || named) return false;
  try { return localStorage.getItem(SEEN) === null; } catch { return false; }
}

function focused() {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
}

// Where the tour stands outlives the element, which Streamlit may draw anew at any time.
function tourState(data) {
  return (window.studioTour ??= { step: isFirstVisit(data) ? 0 : null, returnTo: null, isNew: true });
}

export default function ({ parentElement, data }) {
  useWords(data.words);
  const steps = tourSteps(), state = tourState(data);
  const find = (name) => parentElement.querySelector(name);
  const card = find(".card"), opener = find(".opener"), back = find(".back"), next = find(".next"), close = find(".close");
  opener.setAttribute("aria-label", _("Tour"));
  opener.title = _("Show the tour of three steps");
  close.setAttribute("aria-label", _("Close the tour"));
  close.title = _("Close the tour (Esc)");
  back.textContent = _("Back");
  back.title = _("To the step before");
  find(".skip").textContent = _("Esc closes it.");

  const draw = (moved) => {
    const open = state.step !== null;
    opener.setAttribute("aria-expanded", String(open));
    if (!open) { if (card.matches(":popover-open")) card.hidePopover(); return; }
    const last = state.step === steps.length - 1;
    find(".title").textContent = steps[state.step].title;
    find(".text").textContent = steps[state.step].text;
    next.textContent = last ? _("Done") : _("Next");
    next.title = last ? _("Close the tour") : _("To the step that follows");
    back.hidden = state.step === 0;
    [...find(".dots").children].forEach((dot, i) => dot.classList.toggle("now", i === state.step));
    if (!card.matches(":popover-open")) card.showPopover();
    if (moved) card.focus({ preventScroll: true });
  };
  const end = () => {
    state.step = null;
    const had = card.contains(focused());
    draw(false);
    // The focus goes back to where it came from, unless the visitor is elsewhere by now.
    if (had) (state.returnTo?.isConnected ? state.returnTo : opener).focus({ preventScroll: true });
    state.returnTo = null;
  };
  const go = (step) => { state.step = step; draw(true); };
  opener.onclick = () => { if (state.step !== null) { end(); return; } state.returnTo = opener; remember(); go(data.step); };
  close.onclick = end;
  back.onclick = () => go(Math.max(0, state.step - 1));
  next.onclick = () => (state.step === steps.length - 1 ? end() : go(state.step + 1));
  const key = (event) => {
    if (event.key !== "Escape" || state.step === null || event.defaultPrevented) return;
    end();
  };
  document.addEventListener("keydown", key);

  const first = state.isNew && state.step !== null;
  state.isNew = false;
  if (first) remember();
  draw(first && focused() === document.body);
  return () => document.removeEventListener("keydown", key);
}
