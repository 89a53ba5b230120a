/* The token explorer: search, lists, one token with its neighbors, the map. The data are in the page. */

var FIFTHS = 5, MOST_SHOWN = 40;

function tokenElement(text) {
  var pieces = typeof text === "string" ? [text] : text, name = make("bdi");
  pieces.forEach(function (piece, index) {
    if (piece) { name.appendChild(index % 2 ? make("span", { "class": "esc", text: piece }) : document.createTextNode(piece)); }
  });
  return make("code", { "class": "token" }, [name]);
}

function plainText(text) { return typeof text === "string" ? text : text.join(""); }

/* Numbers as theodolite.report.packed writes them; null for a missing one. */
function unpacked(packed) {
  var bytes = atob(packed.data), found = [], missing = Math.pow(256, packed.width) - 1;
  for (var at = 0; at < bytes.length; at += packed.width) {
    var code = 0;
    for (var byte = packed.width - 1; byte >= 0; byte -= 1) { code = code * 256 + bytes.charCodeAt(at + byte); }
    found.push(code === missing ? null : packed.low + packed.step * code);
  }
  return found;
}

/* Turn a table's packed columns into lists: three of them hold k numbers for each token. */
function unpackTable(table) {
  ["rows", "dimension", "norm", "hubness", "near", "cosine", "distance", "count", "band"].forEach(function (name) {
    if (table[name]) { table[name] = unpacked(table[name]); }
  });
  ["near", "cosine", "distance"].forEach(function (name) {
    var flat = table[name];
    table[name] = table.rows.map(function (_, index) {
      return flat.slice(index * table.k, (index + 1) * table.k).filter(function (one) { return one !== null; });
    });
  });
  var x = unpacked(table.map[0]), y = unpacked(table.map[1]), lows = [least(x), least(y)];
  var side = Math.max(most(x) - lows[0], most(y) - lows[1]) || 1;
  table.map = x.map(function (left, index) {
    return left === null ? null : [20 + 960 * (left - lows[0]) / side, 980 - 960 * (y[index] - lows[1]) / side];
  });
}

function known(values) { return values.filter(function (one) { return one !== null; }); }
function least(values) { return known(values).reduce(function (a, b) { return Math.min(a, b); }, Infinity); }
function most(values) { return known(values).reduce(function (a, b) { return Math.max(a, b); }, -Infinity); }

function explorer(section) {
  var data = JSON.parse(section.querySelector("script[type='application/json']").textContent);
  var live = section.querySelector(".explorer-live"), view = section.querySelector(".token-view");
  var choice = section.querySelector("select.table"), order = section.querySelector("select.order");
  var query = section.querySelector("input[type=search]"), results = section.querySelector(".results");
  var status = section.querySelector("[role=status]"), plane = section.querySelector(".token-plane");
  var folded = data.names.map(function (name) { return plainText(name).toLowerCase(); });
  var table = null, place = null;

  data.tables.forEach(function (one) {
    unpackTable(one);
    one.place = {};
    one.rows.forEach(function (name, index) { one.place[name] = index; });
    one.median = median(one.norm);
    choice.appendChild(make("option", { text: one.name }));
  });
  choice.addEventListener("change", function () { open(data.tables[choice.selectedIndex]); });
  order.addEventListener("change", list);
  query.addEventListener("input", list);
  section.querySelector("button.csv").addEventListener("click", save);
  var bar = make("div", { "class": "tools" });
  plane.parentNode.insertBefore(bar, plane);
  zoomable(plane, bar, plane.parentNode);
  live.hidden = false;
  open(data.tables[0]);

  function open(next) {
    var kept = table && place !== null ? table.rows[place] : null;
    table = next;
    order.textContent = "";
    orders().forEach(function (one) { order.appendChild(make("option", { text: one.name })); });
    chart();
    list();
    select(kept !== null && kept in table.place ? table.place[kept] : shown()[0], false);
  }

  /* The ways to list tokens: by one of their numbers, or those that look wrong for one reason. */
  function orders() {
    function by(values, sign) {
      return function (a, b) {
        var x = values[a], y = values[b];
        return x === null || x === undefined ? 1 : y === null || y === undefined ? -1 : sign * (x - y);
      };
    }
    var found = [
      { name: "lowest local dimension", sort: by(table.dimension, 1) },
      { name: "highest local dimension", sort: by(table.dimension, -1) },
      { name: "shortest", sort: by(table.norm, 1) },
      { name: "longest", sort: by(table.norm, -1) },
      { name: "most popular neighbors", sort: by(table.hubness, -1) },
    ];
    if (table.count) { found.push({ name: "most frequent in training", sort: by(table.count, -1) }); }
    Object.keys(table.marks).forEach(function (mark) { found.push({ name: "suspicious: " + mark, only: table.marks[mark] }); });
    return found;
  }

  function shown() {
    var chosen = orders()[order.selectedIndex], wanted = query.value.toLowerCase().replace(/ /g, "␣");
    var places = (chosen.only || table.rows.map(function (_, index) { return index; })).filter(function (index) {
      return !wanted || folded[table.rows[index]].indexOf(wanted) >= 0;
    });
    if (chosen.sort) { places = places.slice().sort(chosen.sort); }
    if (wanted) {
      places.sort(function (a, b) { return near(a) - near(b); });
    }
    function near(index) {
      var name = folded[table.rows[index]].replace(/^␣/, "");
      return name === wanted.replace(/^␣/, "") ? 0 : name.indexOf(wanted) === 0 ? 1 : 2;
    }
    return places;
  }

  function list() {
    var places = shown();
    results.textContent = "";
    places.slice(0, MOST_SHOWN).forEach(function (index) {
      var button = make("button", { type: "button" }, [tokenElement(data.names[table.rows[index]])]);
      button.appendChild(make("span", { "class": "number", text: written(table.dimension[index], 3) }));
      button.addEventListener("click", function () { select(index, true); });
      if (index === place) { button.setAttribute("aria-current", "true"); }
      button.place = index;
      results.appendChild(make("li", {}, [button]));
    });
    var more = places.length > MOST_SHOWN ? ", the first " + MOST_SHOWN + " shown" : "";
    status.textContent = places.length.toLocaleString("en") + (places.length === 1 ? " token" : " tokens") + more;
  }

  function select(index, asked) {
    place = index === undefined ? null : index;
    view.textContent = "";
    all("button", results).forEach(function (button) {
      if (button.place === place) { button.setAttribute("aria-current", "true"); } else { button.removeAttribute("aria-current"); }
    });
    if (place === null) { return; }
    var heading = make("h3", { tabindex: "-1" }, [tokenElement(data.names[table.rows[place]])]);
    heading.appendChild(make("span", { "class": "which", text: " in " + table.name }));
    view.appendChild(heading);
    view.appendChild(facts());
    if (table.near[place].length) { view.appendChild(neighbors()); }
    if (data.tables.length > 1) { view.appendChild(elsewhere()); }
    mark();
    if (asked) { heading.focus({ preventScroll: true }); heading.scrollIntoView({ block: "nearest" }); }
  }

  function facts() {
    var bands = ["never seen", "the rarest quarter", "the second quarter", "the third quarter", "the most frequent quarter"];
    var norm = table.norm[place], said = [["id", String(data.ids[table.rows[place]])]];
    said.push(["local dimension", table.dimension[place] === null ? "unknown" : written(table.dimension[place], 3) + " (20 nearest)"]);
    said.push(["length", norm === null ? "not finite" : written(norm, 3) + " (" + written(norm / table.median, 3) + " of the median)"]);
    if (table.hubness[place] !== null) { said.push(["how often it is a neighbor", written(table.hubness[place], 3) + " of the usual"]); }
    if (table.count) { said.push(["in training", table.count[place].toLocaleString("en") + " times, " + bands[table.band[place]]]); }
    var marks = Object.keys(table.marks).filter(function (mark) { return table.marks[mark].indexOf(place) >= 0; });
    if (marks.length) { said.push(["suspicious", marks.join(", ")]); }
    return make("dl", { "class": "facts stacked" }, said.map(function (pair) {
      return make("div", {}, [make("dt", { text: pair[0] }), make("dd", { text: pair[1] })]);
    }));
  }

  function grid(caption, headings, rows) {
    var head = make("tr", {}, headings.map(function (text, index) {
      return make("th", { scope: "col", "class": index ? "num" : "", text: text });
    }));
    var body = rows.map(function (row) {
      return make("tr", {}, row.map(function (cell, index) {
        return index ? make("td", { "class": "num", text: cell }) : make("th", { scope: "row" }, [cell]);
      }));
    });
    return make("table", { "class": "dense" }, [make("caption", { text: caption }), make("thead", {}, [head]), make("tbody", {}, body)]);
  }

  function neighbors() {
    return grid("Nearest by cosine", ["token", "cosine", "distance"], table.near[place].map(function (name, rank) {
      var shownName = tokenElement(data.names[name]), there = table.place[name];
      var cell = there === undefined ? shownName : make("button", { type: "button", "class": "plain" }, [shownName]);
      if (there !== undefined) { cell.addEventListener("click", function () { select(there, true); }); }
      return [cell, table.cosine[place][rank].toFixed(3).replace("-", "\u2212"), written(table.distance[place][rank], 3)];
    }));
  }

  function elsewhere() {
    var name = table.rows[place];
    return grid("The same token in every table", ["table", "local dimension", "length"], data.tables.filter(function (one) {
      return name in one.place;
    }).map(function (one) {
      var there = one.place[name];
      return [make("span", { text: one.name }), written(one.dimension[there], 3), written(one.norm[there], 3)];
    }));
  }

  /* The map: a circle for each token, colored by the fifth its local dimension is in. */
  function chart() {
    var ranked = table.rows.map(function (_, index) { return index; }).filter(function (index) {
      return table.map[index] && table.dimension[index] !== null;
    }).sort(function (a, b) { return table.dimension[a] - table.dimension[b]; });
    plane.textContent = "";
    table.drawn = ranked;
    ranked.forEach(function (index, rank) {
      plane.appendChild(draw("circle", {
        cx: table.map[index][0].toFixed(1), cy: table.map[index][1].toFixed(1), r: 5,
        "class": "step-" + Math.floor(rank * FIFTHS / ranked.length),
      }));
    });
    var key = section.querySelector(".map-key");
    key.textContent = "";
    for (var fifth = 0; fifth < FIFTHS && ranked.length >= FIFTHS; fifth += 1) {
      var low = ranked[Math.floor(fifth * ranked.length / FIFTHS)], high = ranked[Math.floor((fifth + 1) * ranked.length / FIFTHS) - 1];
      key.appendChild(make("span", {}, [make("i", { "class": "swatch step-" + fifth, "aria-hidden": "true" }),
        document.createTextNode(" " + written(table.dimension[low], 3) + " to " + written(table.dimension[high], 3))]));
    }
    plane.parentNode.hidden = !ranked.length;
  }

  function mark() {
    all(".ring, .tie", plane).forEach(function (one) { one.remove(); });
    if (!table.map[place]) { return; }
    var own = table.map[place];
    table.near[place].forEach(function (name) {
      var there = table.place[name];
      if (there === undefined || !table.map[there]) { return; }
      var other = table.map[there];
      plane.appendChild(draw("line", { "class": "tie", x1: own[0], y1: own[1], x2: other[0], y2: other[1] }));
      plane.appendChild(draw("circle", { "class": "ring", cx: other[0], cy: other[1], r: 9 }));
    });
    plane.appendChild(draw("circle", { "class": "ring own", cx: own[0], cy: own[1], r: 14 }));
  }

  function nearest(event) {
    var spot = placeIn(plane, event), best = null, least = 25 * 25;
    (spot ? table.drawn : []).forEach(function (index) {
      var apart = Math.pow(table.map[index][0] - spot.x, 2) + Math.pow(table.map[index][1] - spot.y, 2);
      if (apart < least) { least = apart; best = index; }
    });
    return best;
  }
  plane.addEventListener("pointermove", function (event) {
    var index = nearest(event);
    if (index === null) { hideTip(); return; }
    showTip([plainText(data.names[table.rows[index]]), "local dimension " + written(table.dimension[index], 3)], event.clientX, event.clientY);
  });
  plane.addEventListener("pointerleave", hideTip);
  plane.addEventListener("click", function (event) { var index = nearest(event); if (index !== null) { select(index, false); } });

  function save() {
    var lines = [["id", "token", "local_dimension", "length", "hubness", "count"].join(",")];
    table.rows.forEach(function (name, index) {
      var token = "\"" + plainText(data.names[name]).replace(/"/g, "\"\"") + "\"";
      lines.push([data.ids[name], token, table.dimension[index], table.norm[index], table.hubness[index],
        table.count ? table.count[index] : ""].map(function (one) { return one === null ? "" : one; }).join(","));
    });
    var url = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
    var link = make("a", { href: url, download: "tokens.csv" });
    link.click();
    setTimeout(function () { URL.revokeObjectURL(url); }, 1000);
  }

  function median(values) {
    var sorted = known(values).sort(function (a, b) { return a - b; });
    return sorted.length ? sorted[Math.floor(sorted.length / 2)] : NaN;
  }
}

all("section.explorer").forEach(explorer);
