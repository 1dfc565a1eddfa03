// A box above each long table of the reference that shows only the rows in which all typed words occur.
function addFilters() {
  document.querySelectorAll("article").forEach((article) => {
    const tables = [...article.querySelectorAll("table")];
    const rows = tables.flatMap((table) => [...table.tBodies[0].rows]);
    if (rows.length < 100 || article.querySelector(".filter")) return;
    const box = document.createElement("input");
    box.className = "filter md-input md-input--stretch";
    box.type = "search";
    box.placeholder = "Show only rows with ... (eig, linear, complex)";
    box.setAttribute("aria-label", box.placeholder);
    const heads = [...article.querySelectorAll("h2")];
    heads[0].before(box);
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row) => {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      });
      tables.forEach((table) => {
        const empty = [...table.tBodies[0].rows].every((row) => row.hidden);
        (table.closest(".md-typeset__scrollwrap") || table).hidden = empty;
      });
      heads.forEach((head) => {
        let next = head.nextElementSibling;
        let shown = false;
        while (next && next.tagName !== "H2") {
          shown = shown || !next.hidden;
          next = next.nextElementSibling;
        }
        head.hidden = words.length > 0 && !shown;
      });
    });
  });
}
addFilters();
