// The bar of tools for corrections: only what it looks like, and what each button calls.
window.samgeoEditBar = window.samgeoEditBar || (() => {
  "use strict";

  const ICONS = {
    several: "M3 5h7v7H3zM14 5h7v7h-7zM3 16h7v4H3zM14 17l2.5 2.5L21 15",
    delete: "M4 7h16M10 7V4h4v3M6 7l1 13h10l1-13M10 11v6M14 11v6",
    merge: "M9 4H4v16h5M15 4h5v16h-5M8 12h8M13 9l3 3-3 3",
    split: "M12 3v18M8 7H3v10h5M16 7h5v10h-5",
    redraw: "M4 20l1-5L16 4l4 4L9 19zM13 7l4 4",
    smooth: "M3 15c3-9 6-9 9 0s6 9 9 0",
    add: "M12 5v14M5 12h14",
    undo: "M8 5L3 10l5 5M3 10h11a6 6 0 010 12h-3",
    redo: "M16 5l5 5-5 5M21 10H10a6 6 0 000 12h3",
  };
  const LABELS = {
    several: _("Several"), delete: _("Delete"), merge: _("Merge"), split: _("Split"), redraw: _("Redraw"),
    smooth: _("Smooth"), add: _("Add"), undo: _("Undo"), redo: _("Redo"),
  };
  const TITLES = {
    several: _("Select several objects (or hold Shift or Ctrl)"), delete: _("Delete what is selected (Del)"),
    merge: _("Make one object of those selected"), split: _("Make two objects of the selected one"),
    redraw: _("Draw the selected object anew with clicks"), smooth: _("Smooth the outlines of what is selected"),
    add: _("Add an object that is missing"), undo: _("Undo (Ctrl+Z)"), redo: _("Redo (Ctrl+Y)"),
  };

  const TEXTS = {
    on: [_("+ object"), _("Clicks are on the object")],
    off: [_("− background"), _("Clicks are beside the object (or hold Alt)")],
    apply: [_("Apply"), _("Apply (Enter)")], cancel: [_("Cancel"), _("Cancel (Esc)")],
  };

  function element(tag, attributes = {}, text = "") {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.textContent = text;
    return node;
  }

  function toolButton(name, onClick) {
    const node = element("button", { type: "button", title: TITLES[name], "aria-label": LABELS[name] });
    node.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
    node.append(element("span", {}, LABELS[name]));
    node.addEventListener("click", onClick);
    return node;
  }

  function textButton(name, [text, title], onClick) {
    const node = element("button", { type: "button", title, "aria-label": title, class: `samgeo-${name}` }, text);
    node.addEventListener("click", onClick);
    return node;
  }

  // on: what each button calls, by its name. Returns {bar, buttons, radius, status}.
  function create(on) {
    const buttons = {};
    const tool = (name) => (buttons[name] = toolButton(name, on[name]));
    const text = (name) => (buttons[name] = textButton(name, TEXTS[name], on[name]));
    const bar = element("div", { class: "samgeo-bar", role: "toolbar", "aria-label": _("Correct objects") });
    const radius = element("input", { type: "number", min: 1, max: 100, value: 2, "aria-label": _("Radius, px"), title: _("Radius, px") });
    const smooth = element("span", { class: "samgeo-smooth" });
    smooth.append(tool("smooth"), radius);
    const tools = bar.appendChild(element("div", { class: "samgeo-bar-row" }));
    tools.append(
      ...["several", "delete", "merge", "split", "redraw"].map(tool), smooth, tool("add"), element("i"),
      ...["undo", "redo"].map(tool),
    );
    for (const name of ["undo", "redo"]) buttons[name].classList.add("samgeo-icon");
    const status = element("div", { class: "samgeo-status", role: "status" });
    const row = bar.appendChild(element("div", { class: "samgeo-bar-row" }));
    row.append(status, ...["on", "off", "apply", "cancel"].map(text));
    return { bar, buttons, radius, status };
  }

  return { create };
})();
