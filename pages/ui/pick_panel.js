// The controls of the page Pick: tools on the map, the object at hand, what was picked so far.
// It draws what it is told and says what was pressed; it knows neither map nor server.
window.samgeoPickPanel = window.samgeoPickPanel || (() => {
  "use strict";

  const icon = (inner) =>
    `<svg viewBox="0 0 20 20" width="20" height="20" fill="none" stroke="currentColor" stroke-width="1.7" aria-hidden="true">${inner}</svg>`;

  const ICONS = {
    include: icon('<circle cx="10" cy="10" r="7"/><path d="M10 6.7v6.6M6.7 10h6.6"/>'),
    exclude: icon('<circle cx="10" cy="10" r="7"/><path d="M6.7 10h6.6"/>'),
    box: icon('<rect x="3.2" y="4.8" width="13.6" height="10.4" stroke-dasharray="3 2"/>'),
    lasso: icon('<path d="M10 3.5c4 0 7 1.9 7 4.600s-3 4.6-7 4.6-7-1.9-7-4.6 3-4.6 7-4.600Z" stroke-dasharray="3 2"/><path d="M6.4 12.200c-1 1.2-.6 2.6.9 3.3"/>'),
    move: icon('<path d="M10 2.800v14.400M2.8 10h14.400M7.9 4.9 10 2.800l2.1 2.100M7.9 15.1 10 17.200l2.1-2.100M4.9 7.9 2.8 10l2.1 2.100M15.1 7.900l2.1 2.1-2.1 2.1"/>'),
    undo: icon('<path d="M7.5 4 4 7.5 7.5 11M4.3 7.500h7.200a4.3 4.3 0 0 1 0 8.600H8"/>'),
    redo: icon('<path d="M12.5 4 16 7.5 12.5 11M15.7 7.500H8.500a4.3 4.3 0 0 0 0 8.600H12"/>'),
    remove: icon('<path d="M4 5.800h12M8 5.500V3.700h4v1.800M5.7 5.800l.7 10.400h7.200l.7-10.400M8.5 8.700v4.800M11.5 8.700v4.8"/>'),
  };

  const TOOLS = [
    ["include", _("Include"), _("Click the object (F)")],
    ["exclude", _("Exclude"), _("Click what doesn't belong to it (B). Right-click, Alt-click or a long press do the same")],
    ["box", _("Box"), _("Draw a box around the object (R)")],
    ["lasso", _("Outline"), _("Draw round the object, or click its corners (G)")],
    ["move", _("Move"), _("Drag the map; click a picked object to take it up again (H)")],
  ];
  const SIZES = { 1: [], 2: [_("Small"), _("Large")], 3: [_("Small"), _("Medium"), _("Large")] };

  // Text goes in as text nodes only.
  function element(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = String(text);
    return node;
  }

  function button(className, label, title, press) {
    const node = element("button", className, label);
    node.type = "button";
    node.title = title;
    node.addEventListener("click", press);
    return node;
  }

  function iconButton(className, name, title, press) {
    const node = button(className, "", title, press);
    node.innerHTML = ICONS[name];
    node.setAttribute("aria-label", title);
    return node;
  }

  const significant = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });

  function areaText({ area_m2: metres, area_px: pixels }) {
    if (metres === null || metres === undefined) return `${pixels.toLocaleString("en")} px`;
    if (metres >= 1e6) return _("{n} km²", { n: significant(metres / 1e6) });
    return metres >= 1e4 ? _("{n} ha", { n: significant(metres / 1e4) }) : _("{n} m²", { n: significant(metres) });
  }

  const scoreText = (score) => score.toFixed(2);

  // on: what is called when something is pressed, by name.
  function create(body, on, colorOf) {
    const tools = element("div", "pick-tools");
    tools.setAttribute("role", "toolbar");
    tools.setAttribute("aria-label", _("What a click does"));
    const buttons = {};
    for (const [name, label, title] of TOOLS) {
      const node = button("pick-tool", "", title, () => on.tool(name));
      node.innerHTML = ICONS[name];
      node.append(element("span", "", label));
      node.dataset.tool = name;
      buttons[name] = tools.appendChild(node);
    }

    const status = element("div", "pick-status");
    status.setAttribute("role", "status");

    const side = element("aside", "pick-side");
    const now = side.appendChild(element("section", "pick-now"));
    const steps = side.appendChild(element("div", "pick-steps"));
    const undo = steps.appendChild(iconButton("pick-step", "undo", _("Undo (Ctrl+Z)"), () => on.undo()));
    const redo = steps.appendChild(iconButton("pick-step", "redo", _("Redo (Ctrl+Y)"), () => on.redo()));
    const total = steps.appendChild(element("span", "pick-total"));
    const list = side.appendChild(element("ul", "pick-list"));
    list.setAttribute("aria-label", _("Picked objects"));
    body.append(tools, status, side);

    function drawNow(active) {
      if (!active) {
        now.replaceChildren(
          element("h2", "", _("Nothing at hand")),
          element("p", "", _("Click an object on the image, or draw a box around it. Enter accepts its outline.")),
        );
        return;
      }
      const mask = active.candidates[active.chosen];
      const heading = element("h2", "", _("Object {n}", { n: active.number }));
      const facts = element("div", "pick-facts");
      const quality = facts.appendChild(element("span", "pick-score", _("Quality {n}", { n: scoreText(mask.score) })));
      quality.title = _("How well the model itself expects the outline to fit");
      facts.append(element("span", "pick-area", areaText(mask)));
      const sizes = element("div", "pick-sizes");
      sizes.setAttribute("role", "group");
      sizes.setAttribute("aria-label", _("How much of it is meant"));
      SIZES[active.candidates.length].forEach((label, index) => {
        const node = sizes.appendChild(button("pick-size", label, _("Key {n}", { n: index + 1 }), () => on.choose(index)));
        node.setAttribute("aria-pressed", String(index === active.chosen));
      });
      const actions = element("div", "pick-actions");
      const accept = actions.appendChild(
        button("pick-accept", active.accepted ? _("Done") : _("Accept"), "Enter", () => on.accept()),
      );
      accept.append(element("kbd", "", "↵"));
      actions.append(iconButton("pick-delete", "remove", _("Delete this object (Del)"), () => on.remove(active.number)));
      now.replaceChildren(heading, facts, sizes, actions);
    }

    function row(item, active) {
      const line = element("li", "pick-row");
      const choose = line.appendChild(
        button("pick-choose", "", _("Take up object {n}", { n: item.number }), () => on.select(item.number)),
      );
      const swatch = choose.appendChild(element("span", "pick-swatch"));
      swatch.style.background = colorOf(item.number);
      choose.append(
        element("span", "pick-number", item.number),
        element("span", "pick-area", areaText(item)),
        element("span", "pick-score", scoreText(item.score)),
      );
      if (active && active.number === item.number) line.classList.add("pick-chosen");
      line.append(iconButton("pick-drop", "remove", _("Delete object {n}", { n: item.number }), () => on.remove(item.number)));
      return line;
    }

    function draw(state) {
      drawNow(state.active);
      undo.disabled = !state.can_undo;
      redo.disabled = !state.can_redo;
      const picked = state.objects.filter((item) => item.accepted);
      total.textContent = picked.length ? _("{n} picked", { n: picked.length.toLocaleString("en") }) : _("None picked yet");
      // What was picked last comes first.
      list.replaceChildren(...picked.reverse().map((item) => row(item, state.active)));
    }

    function setTool(name) {
      for (const [key, node] of Object.entries(buttons)) node.setAttribute("aria-pressed", String(key === name));
    }

    // kind: "hint", "busy" or "error".
    function say(text, kind) {
      if (status.textContent === text && status.dataset.kind === kind) return;
      status.dataset.kind = kind;
      status.textContent = text;
      status.hidden = !text;
    }

    return { draw, setTool, say, tools, side };
  }

  return { create };
})();
