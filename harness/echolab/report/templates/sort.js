// Sorts the table by the column whose heading is pressed; once more, and the other way round.
document.querySelectorAll("table.sortable th button").forEach((button) => {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const table = heading.closest("table");
    const column = [...heading.parentNode.children].indexOf(heading);
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    const value = (row) => row.children[column].dataset.value;
    const inWords = new Intl.Collator(undefined, { numeric: true }).compare;
    const isNumber = (text) => text !== "" && !Number.isNaN(Number(text));
    const compare = (a, b) => (isNumber(a) && isNumber(b) ? a - b : inWords(a, b));
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => (ascending ? 1 : -1) * compare(value(a), value(b)));
    table.tBodies[0].append(...rows);
    table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  });
});
