// Tells the document its language, and the browser what the visitor has chosen.
export default function ({ data }) {
  document.documentElement.lang = data.language;
  if (!data.chosen) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${data.cookie}=${data.language}; Path=${data.path}; Max-Age=31536000; SameSite=Lax${secure}`;
}
