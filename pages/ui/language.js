// Tells the document its language, keeps what the visitor has chosen, and says in that language
// what Streamlit itself says in English only.

const ATTRIBUTES = ["aria-label", "title", "placeholder", "alt"];

// What Streamlit says, exactly or with a value in it.
function streamlitsWords() {
  const exact = {
    "Choose or add an option": _("Choose or type"), "Choose or add options": _("Choose or type"),
    "Add an option": _("Type to add"), "Add options": _("Type to add"), "No options": _("No options to select."),
    "Show suggestions": _("Show suggestions"), "Selected values": _("Selected values"),
    "Show password": _("Show password"), "Hide password": _("Hide password"),
    "Sort ascending": _("Sort ascending"), "Sort descending": _("Sort descending"), "Autosize": _("Fit width"),
    "Pin column": _("Pin column"), "Unpin column": _("Unpin column"), "Hide column": _("Hide column"),
    "Copy column name": _("Copy column name"), "Format": _("Format"), "Clear selection": _("Clear selection"),
    "Enter fullscreen": _("Fullscreen"), "Exit fullscreen": _("Close fullscreen"), "Toggle fullscreen": _("Fullscreen"),
    "Show data": _("Show data"), "Show chart": _("Show chart"), "Too many files": _("Too many files"),
    "Upload failed": _("Upload failed"), "Copy Vega-Lite spec": _("Copy the chart's specification"),
    "Save as PNG": _("Save as PNG"), "Save as SVG": _("Save as SVG"), "Download as PNG": _("Save as PNG"),
    "Download as SVG": _("Save as SVG"), "Custom chart": _("Chart"), "Bar chart": _("Chart"),
    "Choose an option": _("Choose an option"), "Choose options": _("Choose options"),
    "Search": _("Search"), "Download as CSV": _("Download as CSV"), "Show/hide columns": _("Show/hide columns"),
    "Fullscreen": _("Fullscreen"), "Close fullscreen": _("Close fullscreen"), "Increment": _("Increment"),
    "Decrement": _("Decrement"), "Upload": _("Upload"), "file upload": _("Upload"), "Browse files": _("Choose files"),
    "Drag and drop file here": _("Drop a file here"), "Drag and drop files here": _("Drop files here"),
    "Skip to main content": _("Skip to main content"), "Copy to clipboard": _("Copy"), "Copied": _("Copied"),
    "Press Enter to submit form": _("Press Enter to submit"), "Press Enter to apply": _("Press Enter to apply"),
    "Press Ctrl+Enter to apply": _("Press Ctrl+Enter to apply"), "Clear all": _("Clear all"), "Clear value": _("Clear all"),
    "No results": _("No results"), "No options to select.": _("No options to select."), "Select all": _("Select all"),
    "Running...": _("Working…"), "Stop": _("Stop"), "Open": _("Open"), "Close": _("Close"), "Rerun": _("Run again"), "Help": _("Help"), "progress": _("Progress"),
    "Connection error": _("Connection error"), "Connecting": _("Connecting…"),
    "streamlit_folium.st_folium": _("Map"),
  };
  const patterns = [
    [/^Help for (.+)$/s, (value) => _("Help: {label}", { label: value })],
    [/^Fullscreen: (.+)$/s, (value) => _("Fullscreen: {label}", { label: value })],
    [/^(.+) — start$/s, (value) => _("{label}: lower end", { label: value })],
    [/^(.+) — end$/s, (value) => _("{label}: upper end", { label: value })],
    [/^([0-9.]+ ?[KMG]B) per file$/, (value) => _("{size} per file", { size: value })],
    [/^Remove (.+)$/s, (value) => _("Remove {label}", { label: value })],
  ];
  return (text) => {
    const known = exact[text.trim()];
    if (known !== undefined) return known === text.trim() ? text : known;
    for (const [pattern, say] of patterns) {
      const match = pattern.exec(text);
      if (match) return say(match[1]);
    }
    return text;
  };
}

// Puts words in place as Streamlit draws, and takes them back for another language.
class Translator {
  constructor() {
    this.kept = new Map(); // node → {place: [what Streamlit said, what we say]}
    this.say = (text) => text;
    const options = { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES };
    this.observer = new MutationObserver((changes) => {
      for (const { type, target, addedNodes } of changes) {
        if (type === "childList") addedNodes.forEach((node) => this.under(node)); else this.node(target);
      }
      for (const node of this.kept.keys()) if (!node.isConnected) this.kept.delete(node);
    });
    this.observer.observe(document.body, options);
  }

  speak(say) {
    this.say = say;
    for (const [node, places] of this.kept) {
      for (const [place, [said, ours]] of Object.entries(places)) if (this.read(node, place) === ours) this.write(node, place, said);
    }
    this.kept.clear();
    this.under(document.body);
  }

  read(node, place) { return place === "#" ? node.nodeValue : node.getAttribute(place); }

  write(node, place, text) { if (place === "#") node.nodeValue = text; else node.setAttribute(place, text); }

  node(node) {
    const isText = node.nodeType === Node.TEXT_NODE;
    if (!isText && node.nodeType !== Node.ELEMENT_NODE) return;
    const element = isText ? node.parentElement : node;
    // What people wrote, and code, stay as they are.
    const chrome = element?.closest("[data-testid='stFileUploaderDropzone']");
    if (!element || (!chrome && element.closest("script, style, code, textarea, [data-testid='stMarkdownContainer'], [data-testid='stIconMaterial']"))) return;
    for (const place of isText ? ["#"] : ATTRIBUTES) {
      const text = this.read(node, place), before = this.kept.get(node)?.[place];
      if (!text || text === before?.[1]) continue;
      const ours = this.say(text);
      if (ours === text) continue;
      this.kept.set(node, { ...this.kept.get(node), [place]: [text, ours] });
      this.write(node, place, ours);
    }
  }

  under(root) {
    this.node(root);
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) this.node(walker.currentNode);
  }
}

export default function ({ data }) {
  useWords(data.words);
  const spoken = document.documentElement.lang === data.language && window.studioTranslator;
  document.documentElement.lang = data.language;
  window.studioTranslator ??= new Translator();
  if (!spoken) window.studioTranslator.speak(streamlitsWords());
  if (!data.chosen) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${data.cookie}=${data.language}; Path=${data.path}; Max-Age=31536000; SameSite=Lax${secure}`;
}
