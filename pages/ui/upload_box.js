// Where images are dropped or chosen, and how far each has come.

function bytesText(number) {
  for (const [unit, scale] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (number >= scale) return `${(number / scale).toFixed(number >= 100 * scale ? 0 : 1)} ${unit}`;
  }
  return _("{n} bytes", { n: number });
}

function timeText(seconds) {
  if (seconds < 90) return _("{n} s left", { n: Math.max(1, Math.round(seconds)) });
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? _("{n} min left", { n: minutes }) : _("{n} h left", { n: (seconds / 3600).toFixed(1) });
}

function made(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function button(label, about, act) {
  const element = made("button", "", label);
  element.type = "button";
  element.setAttribute("aria-label", `${label} ${about}`);
  element.onclick = act;
  return element;
}

function progressText(item, sent) {
  if (item.note) return item.note;
  const { size } = item.file, parts = [_("{part} of {whole}", { part: bytesText(sent), whole: bytesText(size) })];
  if (item.state === "waiting") parts.push(_("waits for its turn"));
  if (item.state === "paused") parts.push(_("paused"));
  if (item.state === "sending" && item.rate > 0) {
    parts.push(`${(item.rate / 1e6).toFixed(1)} MB/s`, timeText((size - sent) / item.rate));
  }
  return parts.join(" · ");
}

// What is shown of one upload; its buttons are made anew only as its state changes, so that they keep the focus.
function row(queue, item) {
  const element = made("li", "item"), head = made("div", "head");
  const name = made("span", "name", item.file.name), buttons = made("span", "buttons");
  const track = made("div", "track"), bar = made("div", "bar"), text = made("div", "text");
  track.setAttribute("role", "progressbar");
  track.setAttribute("aria-label", item.file.name);
  track.append(bar);
  name.title = item.file.name;
  head.append(name, buttons);
  element.append(head, track, text);
  let drawn = null;
  const refresh = () => {
    const sent = item.shown ?? item.sent, share = Math.min(1, sent / Math.max(1, item.file.size));
    bar.style.width = `${100 * share}%`;
    track.setAttribute("aria-valuenow", Math.floor(100 * share));
    const said = item.state === "ready" ? _("Ready") : progressText(item, sent);
    if (text.textContent !== said) text.textContent = said;
    if (drawn === item.state) return;
    drawn = item.state;
    element.dataset.state = item.state;
    track.hidden = ["failed", "ready"].includes(item.state);
    if (item.state === "failed") text.setAttribute("role", "alert");
    const { name: about } = item.file;
    const choices = {
      waiting: [[_("Cancel"), () => queue.cancel(item)]],
      sending: [[_("Pause"), () => queue.pause(item)], [_("Cancel"), () => queue.cancel(item)]],
      paused: [[_("Resume"), () => queue.resume(item)], [_("Cancel"), () => queue.cancel(item)]],
      ready: [[_("Open"), () => queue.open(item)]],
      failed: [[_("Dismiss"), () => queue.dismiss(item)]],
    };
    const focused = buttons.matches(":focus-within");
    buttons.replaceChildren(...(choices[item.state] ?? []).map(([label, act]) => button(label, about, act)));
    if (focused) buttons.querySelector("button")?.focus();
  };
  return { element, refresh };
}

function unfinishedRow(queue, left) {
  const element = made("li", "item"), head = made("div", "head"), buttons = made("span", "buttons");
  const share = Math.floor((100 * left.offset) / left.size);
  buttons.append(button(_("Discard"), left.name, () => { queue.discard(left.id); element.remove(); }));
  head.append(made("span", "name", left.name), buttons);
  element.append(head, made("div", "text", _("{share} % of {size} is here. Choose the same file again to go on where it stopped.", { share, size: bytesText(left.size) })));
  element.dataset.state = "unfinished";
  return element;
}

function listenForFiles(zone, input, take) {
  let inside = 0;
  const over = (change) => { inside = Math.max(0, inside + change); zone.classList.toggle("over", inside > 0); };
  zone.ondragenter = (event) => { event.preventDefault(); over(1); };
  zone.ondragleave = () => over(-1);
  zone.ondragover = (event) => event.preventDefault();
  zone.ondrop = (event) => {
    event.preventDefault();
    over(-inside);
    take([...event.dataTransfer.files]);
  };
  input.onchange = () => {
    take([...input.files]);
    input.value = ""; // the same file may be chosen again
  };
}

export default function ({ parentElement, data, setTriggerValue }) {
  useWords(data.words);
  const find = (name) => parentElement.querySelector(name);
  const zone = find(".zone"), input = find("input"), list = find("ul.items");
  const queue = uploadQueue(data.address, data.visitor);
  input.accept = data.accept;
  find(".title").textContent = _("Drop images here");
  find(".choose").textContent = _("Choose images");
  list.setAttribute("aria-label", _("Uploads"));
  find(".hint").textContent = data.hint;
  find(".choose").onclick = () => input.click();
  listenForFiles(zone, input, (files) => queue.add(files));

  const rows = new Map();
  const draw = (progress, scene) => {
    if (!progress) {
      for (const key of [...rows.keys()].filter((key) => !queue.items.some((item) => item.key === key))) rows.delete(key);
      for (const item of queue.items) if (!rows.has(item.key)) rows.set(item.key, row(queue, item));
      const going = queue.items;
      const others = data.unfinished.filter((left) => !queue.items.some((item) => item.uploadId === left.id));
      const elements = [...going.map((item) => rows.get(item.key).element), ...others.map((left) => unfinishedRow(queue, left))];
      const same = elements.length === list.children.length && going.length === elements.length && elements.every((element, i) => element === list.children[i]);
      if (!same) list.replaceChildren(...elements);
    }
    for (const { refresh } of rows.values()) refresh();
    if (scene) setTriggerValue("finished", scene);
  };
  queue.listeners.clear(); // one box at a time is on the screen
  queue.listeners.add(draw);
  draw(false);
  return () => queue.listeners.delete(draw);
}
