// The words of our scripts in the reader's language; the page hands their translations over.
let studioWords = {};

function useWords(table) { studioWords = table ?? {}; }

function filledIn(text, values) {
  return text.replace(/\{(\w+)\}/g, (place, name) => (name in values ? String(values[name]) : place));
}

// _("{n} of {total} parts", { n, total })
function _(english, values = {}) { return filledIn(studioWords[english]?.[0] ?? english, values); }

// ngettext("{n} object", "{n} objects", n, { n })
function ngettext(one, many, number, values = {}) {
  return filledIn(studioWords[one]?.[0] ?? (number === 1 ? one : many), values);
}
