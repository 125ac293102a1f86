// A button that copies a text: browsers let it only where somebody clicks.
export default function ({ parentElement, data }) {
  useWords(data.words);
  const button = parentElement.querySelector("button");
  button.textContent = data.label;
  const told = (text) => {
    button.textContent = text;
    clearTimeout(button.back);
    button.back = setTimeout(() => { button.textContent = data.label; }, 2000);
  };
  // Without HTTPS there is no clipboard, but the older way still works.
  const copyOld = () => {
    const field = document.createElement("textarea");
    field.value = data.text;
    field.style.position = "fixed";
    field.style.opacity = "0";
    document.body.appendChild(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  };
  button.onclick = async () => {
    try {
      if (navigator.clipboard) await navigator.clipboard.writeText(data.text);
      else if (!copyOld()) throw new Error("refused");
      told(_("Copied"));
    } catch {
      told(copyOld() ? _("Copied") : _("Select the text and copy it"));
    }
  };
}
