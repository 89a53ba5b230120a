var SVG = "http://www.w3.org/2000/svg";

function all(selector, root) { return Array.prototype.slice.call((root || document).querySelectorAll(selector)); }

/* Make an element; text is only ever set as text, so that no token or name can become a part of the page. */
function make(tag, attributes, children) {
  var made = document.createElement(tag);
  Object.keys(attributes || {}).forEach(function (name) {
    if (name === "text") { made.textContent = attributes[name]; } else { made.setAttribute(name, attributes[name]); }
  });
  (children || []).forEach(function (child) { made.appendChild(child); });
  return made;
}

function draw(tag, attributes) {
  var made = document.createElementNS(SVG, tag);
  Object.keys(attributes).forEach(function (name) { made.setAttribute(name, attributes[name]); });
  return made;
}

function written(number, digits) {
  if (number === null || number === undefined) { return "–"; }
  var size = Math.abs(number);
  if (digits && size >= 0.001 && size < 1000) { return number.toPrecision(digits).replace("-", "\u2212"); }
  if (size >= 10000) { return Math.round(number).toLocaleString("en"); }
  return String(+number.toPrecision(digits || 4)).replace("-", "\u2212");
}

/* Where the pointer is in the units of an SVG. */
function placeIn(svg, event) {
  var matrix = svg.getScreenCTM(), point = svg.createSVGPoint();
  if (!matrix) { return null; }
  point.x = event.clientX; point.y = event.clientY;
  return point.matrixTransform(matrix.inverse());
}

/* One small box for the whole page that says what the pointer is on. */
var tip = make("div", { "class": "tip", hidden: "", "aria-hidden": "true" });
document.body.appendChild(tip);

function showTip(lines, left, top) {
  tip.textContent = "";
  lines.forEach(function (line) { tip.appendChild(make("div", { text: line })); });
  tip.hidden = false;
  var wide = tip.offsetWidth, high = tip.offsetHeight, room = document.documentElement.clientWidth;
  tip.style.left = Math.max(4, Math.min(left + 14, room - wide - 4)) + "px";
  tip.style.top = (top - high - 12 < 4 ? top + 18 : top - high - 12) + "px";
}

function hideTip() { tip.hidden = true; }

/* Zoom and move an SVG by its viewBox: buttons, keys + - 0, Ctrl and wheel, dragging while it is enlarged. */
function zoomable(svg, bar, frame) {
  var whole = svg.getAttribute("viewBox").split(" ").map(Number), seen = whole.slice();
  function show() {
    svg.setAttribute("viewBox", seen.join(" "));
    svg.classList.toggle("zoomed", seen[2] < whole[2]);
  }
  function zoom(factor, center) {
    var wide = Math.min(whole[2], Math.max(whole[2] / 16, seen[2] * factor)), high = wide * whole[3] / whole[2];
    var at = center || { x: seen[0] + seen[2] / 2, y: seen[1] + seen[3] / 2 };
    move(at.x - (at.x - seen[0]) * wide / seen[2], at.y - (at.y - seen[1]) * high / seen[3], wide, high);
  }
  function move(left, top, wide, high) {
    seen = [Math.min(Math.max(left, whole[0]), whole[0] + whole[2] - wide),
            Math.min(Math.max(top, whole[1]), whole[1] + whole[3] - high), wide, high];
    show();
  }
  [["+", "Enlarge", 0.6], ["−", "Reduce", 1 / 0.6], ["1:1", "Show the whole figure", Infinity]].forEach(function (one) {
    var button = make("button", { type: "button", text: one[0], "aria-label": one[1], title: one[1] });
    button.addEventListener("click", function () { zoom(one[2]); });
    bar.appendChild(button);
  });
  frame.addEventListener("keydown", function (event) {
    var factor = { "+": 0.6, "=": 0.6, "-": 1 / 0.6, "0": Infinity }[event.key];
    if (factor && event.target === frame && !event.ctrlKey && !event.metaKey) { zoom(factor); event.preventDefault(); }
  });
  svg.addEventListener("wheel", function (event) {
    if (!event.ctrlKey) { return; }
    zoom(event.deltaY < 0 ? 0.8 : 1.25, placeIn(svg, event));
    event.preventDefault();
  }, { passive: false });
  var held = null;
  svg.addEventListener("pointerdown", function (event) {
    if (seen[2] < whole[2]) { held = placeIn(svg, event); svg.setPointerCapture(event.pointerId); }
  });
  svg.addEventListener("pointermove", function (event) {
    if (!held) { return; }
    var at = placeIn(svg, event);
    move(seen[0] + held.x - at.x, seen[1] + held.y - at.y, seen[2], seen[3]);
  });
  ["pointerup", "pointercancel"].forEach(function (name) { svg.addEventListener(name, function () { held = null; }); });
}

all("table.sortable").forEach(function (table) {
  var body = table.tBodies[0], headings = Array.prototype.slice.call(table.tHead.rows[0].cells);
  headings.forEach(function (heading, column) {
    var button = make("button", { type: "button" });
    while (heading.firstChild) { button.appendChild(heading.firstChild); }
    heading.appendChild(button);
    button.addEventListener("click", function () {
      var falling = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach(function (other) { other.removeAttribute("aria-sort"); });
      heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
      var rows = Array.prototype.slice.call(body.rows).map(function (row, index) {
        var cell = row.cells[column];
        return { row: row, index: index, number: parseFloat(cell.getAttribute("data-value")), text: cell.textContent.trim() };
      });
      rows.sort(function (a, b) {
        var blankA = isNaN(a.number), blankB = isNaN(b.number), order;
        if (blankA !== blankB) { return blankA ? 1 : -1; }
        order = blankA ? a.text.localeCompare(b.text, undefined, { numeric: true }) : a.number - b.number;
        return (falling ? -order : order) || a.index - b.index;
      });
      rows.forEach(function (entry) { body.appendChild(entry.row); });
    });
  });
});

/* Paper takes what is folded too, but of long lists and tables only those that are open. */
var opened = [];
window.addEventListener("beforeprint", function () {
  opened = opened.concat(all("details:not([open]):not(.long)"));
  opened.forEach(function (one) { one.open = true; });
});
window.addEventListener("afterprint", function () {
  opened.forEach(function (one) { one.open = false; });
  opened = [];
});
