// Files on their way to the server, one after the other, in pieces that are sent again where a line broke.
// It outlives the element that shows it, so that going to another page stops nothing.
const HEAD_BYTES = 64 * 1024; // as first_bytes.py has it
const PIECE_BYTES = 8 * 1024 * 1024;
const SMALLEST_PIECE_BYTES = 256 * 1024;
const RATE_SPAN_MS = 8000;
const LONGEST_WAIT_MS = 30000;

class Refused extends Error {} // a sentence of the server's, which trying again doesn't change

class UploadQueue {
  constructor() {
    this.items = []; // {key, file, state, sent, note, scene, uploadId}, in order of choice
    this.listeners = new Set();
    this.pieceBytes = PIECE_BYTES;
    this.next = 1;
    window.addEventListener("beforeunload", (event) => { if (this.isBusy()) event.preventDefault(); });
    window.addEventListener("online", () => this.wake?.());
  }

  isBusy() {
    return this.items.some((item) => ["waiting", "sending"].includes(item.state));
  }

  add(files) {
    for (const file of files) {
      const same = (item) => item.file.name === file.name && item.file.size === file.size && item.file.lastModified === file.lastModified;
      const known = this.items.find((item) => same(item) && ["waiting", "sending", "paused"].includes(item.state));
      if (known) this.resume(known);
      else this.items.push({ key: this.next++, file, state: "waiting", sent: 0, note: "", times: [] });
    }
    this.go();
  }

  pause(item) {
    item.state = "paused";
    item.note = "";
    this.stop(item);
  }

  resume(item) {
    if (item.state !== "paused") return;
    item.state = "waiting";
    this.go();
  }

  async cancel(item) {
    item.state = "cancelled";
    this.stop(item);
    this.items = this.items.filter((other) => other !== item);
    this.tell();
    if (item.uploadId && this.current !== item) await this.discard(item.uploadId);
  }

  // Remove what the server holds of an upload; it does so by itself after some time.
  discard(uploadId) {
    return this.ask("DELETE", `/${uploadId}`).catch(() => null);
  }

  dismiss(item) {
    this.items = this.items.filter((other) => other !== item);
    this.tell();
  }

  stop(item) {
    item.request?.abort();
    if (this.current === item) this.wake?.();
    this.tell();
  }

  tell(progress = false) {
    for (const listener of this.listeners) listener(progress);
  }

  async go() {
    this.tell();
    if (this.current) return;
    while ((this.current = this.items.find((item) => item.state === "waiting"))) {
      const item = this.current;
      item.state = "sending";
      this.tell();
      try {
        await this.send(item);
      } catch (error) {
        if (item.state === "sending") {
          item.state = "failed";
          item.note = error instanceof Refused ? error.message : _("The file can't be read any more: choose it again.");
          if (item.uploadId && !(error instanceof Refused)) this.discard(item.uploadId);
        }
      }
      // Whoever cancelled it may have done so before the server had given it an id.
      if (item.state === "cancelled" && item.uploadId) await this.discard(item.uploadId);
      this.tell();
    }
    // Whoever has paused or refused files before them decides where to go.
    const last = this.items[this.items.length - 1];
    if (last && this.items.every((item) => item.state === "ready")) this.open(last);
  }

  open(item) {
    this.items = this.items.filter((other) => other.state !== "ready");
    for (const listener of this.listeners) listener(false, item.scene);
  }

  // Send a file to its end, however often the line breaks; returns early where it was paused or cancelled.
  async send(item) {
    let failures = 0;
    while (item.state === "sending") {
      try {
        if (!item.uploadId) await this.begin(item);
        else await this.look(item);
        while (item.state === "sending" && item.sent < item.file.size) {
          await this.piece(item);
          failures = 0;
        }
        if (item.state !== "sending") return;
        item.note = _("Checking the image…");
        this.tell();
        const { scene } = await this.ask("POST", `/${item.uploadId}/finish`, null, item);
        Object.assign(item, { state: "ready", scene, note: "" });
        return;
      } catch (error) {
        if (item.state !== "sending") return;
        if (!(error instanceof Broken)) throw error;
        await this.pauseBefore(item, failures++, error);
      }
    }
  }

  async begin(item) {
    const { name, size, lastModified } = item.file;
    const head = await item.file.slice(0, HEAD_BYTES).arrayBuffer();
    const asked = new URLSearchParams({ name, size, modified: Math.max(0, Math.round(lastModified)) });
    const { id, offset } = await this.ask("POST", `?${asked}`, head, item);
    item.uploadId = id;
    this.arrived(item, offset);
    this.tell();
  }

  async look(item) {
    try {
      this.arrived(item, (await this.ask("GET", `/${item.uploadId}/state`, null, item)).offset);
    } catch (error) {
      if (error.status !== 404) throw error;
      item.uploadId = null; // cleaned up meanwhile: from the beginning
      await this.begin(item);
    }
  }

  async piece(item) {
    const start = item.sent, part = item.file.slice(start, start + this.pieceBytes);
    const headers = {};
    // Browsers compute sums only on pages that came by HTTPS, or from this very machine.
    if (window.crypto?.subtle) {
      const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", await part.arrayBuffer()));
      headers["X-Piece-SHA256"] = [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    }
    if (item.state !== "sending") return;
    item.note = "";
    const { offset } = await this.ask("PATCH", `/${item.uploadId}?offset=${start}`, part, item, headers);
    this.arrived(item, offset);
  }

  arrived(item, offset) {
    item.sent = offset;
    this.measure(item, offset);
    this.tell(true);
  }

  // Bytes per second of the last seconds, so that a pause or a new place doesn't count.
  measure(item, sent) {
    const now = performance.now();
    const last = item.times[item.times.length - 1];
    if (last && (sent < last.sent || now - last.now > RATE_SPAN_MS)) item.times = [];
    item.times.push({ now, sent });
    while (item.times.length > 2 && now - item.times[0].now > RATE_SPAN_MS) item.times.shift();
    const first = item.times[0];
    item.rate = now - first.now > 500 ? ((sent - first.sent) / (now - first.now)) * 1000 : null;
  }

  pauseBefore(item, failures, error) {
    const wait = Math.min(LONGEST_WAIT_MS, error.wait ?? 1000 * 2 ** failures);
    item.note = error.message || _("The line is broken; it goes on by itself in {n} s.", { n: Math.ceil(wait / 1000) });
    item.times = [];
    item.rate = null;
    this.tell();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.wake = () => { clearTimeout(timer); resolve(); };
    });
  }

  // One request; where it may help to ask again, it ends as Broken.
  ask(method, path, body = null, item = null, headers = {}) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      // Only pieces may break off: of what is short the answer must be known.
      if (method === "PATCH") item.request = request;
      request.open(method, this.address + path);
      if (body) request.setRequestHeader("Content-Type", "application/octet-stream");
      if (this.visitor) request.setRequestHeader("X-Samgeo-Visitor", this.visitor);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      const start = item?.sent ?? 0;
      if (method === "PATCH") {
        request.upload.onprogress = (event) => {
          item.shown = start + event.loaded;
          this.measure(item, item.shown);
          this.tell(true);
        };
      }
      request.onerror = request.onabort = request.ontimeout = () => reject(new Broken());
      request.onload = () => {
        if (item) item.shown = null;
        if (request.status < 300) resolve(request.responseText ? JSON.parse(request.responseText) : {});
        else reject(this.failure(method, request));
      };
      request.send(body);
    });
  }

  failure(method, request) {
    const { status } = request, sentence = request.responseText.trim();
    const ours = (request.getResponseHeader("Content-Type") || "").startsWith("text/plain");
    if (method === "PATCH" && status === 413 && this.pieceBytes > SMALLEST_PIECE_BYTES) {
      this.pieceBytes /= 4; // a proxy between here and the server takes less at a time
      return new Broken("", 0);
    }
    if (method === "PATCH" && [404, 409].includes(status)) return new Broken("", 200);
    if (status === 409) return new Broken("", 1000);
    if (status === 507 && method === "PATCH") return new Broken(sentence, LONGEST_WAIT_MS);
    if (status === 429) return new Broken(ours ? sentence : "", LONGEST_WAIT_MS);
    if (status >= 500 && status !== 507) return new Broken();
    const refused = new Refused(ours && sentence ? sentence : _("The server refuses this file ({status}).", { status }));
    refused.status = status;
    return refused;
  }
}

class Broken extends Error {
  constructor(message = "", wait = undefined) {
    super(message);
    this.wait = wait;
  }
}

function uploadQueue(address, visitor) {
  const queue = (window.samgeoUploads ??= new UploadQueue());
  queue.address = address;
  queue.visitor = visitor;
  return queue;
}
