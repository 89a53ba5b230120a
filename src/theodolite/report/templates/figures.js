/* Figures: the value under the pointer, series to hide, a slider over layers, zoom. Without this they are as drawn. */

function livePlots(figure) {
  return all("svg.plot[data-live]", figure).map(function (svg) {
    var content = JSON.parse(svg.getAttribute("data-live")), prefix = svg.getAttribute("data-prefix");
    content.panels.forEach(function (panel) {
      panel.group = document.getElementById(prefix + panel.id);
      panel.series.forEach(function (one) {
        one.groups = one.ids.map(function (id) { return document.getElementById(prefix + id); }).filter(Boolean);
      });
    });
    return { svg: svg, panels: content.panels, figure: figure };
  });
}

function wordsOf(panel, series, point) {
  var x = panel.names_x && panel.names_x[point[2]] || written(point[2]);
  var y = panel.names_y && panel.names_y[point[3]] || written(point[3]);
  var where = [panel.title, series.name].filter(Boolean).join(" · ");
  return (where ? [where] : []).concat([(panel.x || "x") + ": " + x, (panel.y || "value") + ": " + y]);
}

/* Points that are shown now, each with its panel and series. */
function pointsOf(plot) {
  var found = [];
  plot.panels.forEach(function (panel) {
    if (panel.off) { return; }
    panel.series.forEach(function (one) {
      if (!one.off) { one.points.forEach(function (point) { found.push({ panel: panel, series: one, point: point }); }); }
    });
  });
  return found;
}

function hover(plot, said) {
  var svg = plot.svg, ring = null, frame = svg.parentNode, at = -1;
  function mark(found) {
    if (!ring) { ring = draw("circle", { "class": "ring", r: 5 }); svg.appendChild(ring); }
    ring.setAttribute("cx", found.point[0]); ring.setAttribute("cy", found.point[1]);
    ring.removeAttribute("visibility");
  }
  function leave() { hideTip(); if (ring) { ring.setAttribute("visibility", "hidden"); } }
  svg.addEventListener("pointermove", function (event) {
    var place = placeIn(svg, event), best = null, least = 18 * 18;
    if (!place) { return; }
    pointsOf(plot).forEach(function (one) {
      var apart = Math.pow(one.point[0] - place.x, 2) + Math.pow(one.point[1] - place.y, 2);
      if (apart < least) { least = apart; best = one; }
    });
    if (!best) { leave(); return; }
    mark(best);
    showTip(wordsOf(best.panel, best.series, best.point), event.clientX, event.clientY);
  });
  svg.addEventListener("pointerleave", leave);
  frame.addEventListener("blur", leave);
  frame.addEventListener("keydown", function (event) {
    var step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], points = pointsOf(plot);
    if (event.key === "Escape") { leave(); return; }
    if (!step || event.target !== frame || !points.length) { return; }
    event.preventDefault();
    at = (at + step + points.length) % points.length;
    var found = points[at], words = wordsOf(found.panel, found.series, found.point);
    mark(found);
    var box = ring.getBoundingClientRect();
    showTip(words, box.left, box.top);
    said.textContent = words.join(", ");
  });
}

function toggle(bar, name, color, change) {
  var button = make("button", { type: "button", "aria-pressed": "true", "class": "toggle" });
  if (color) {
    var swatch = make("i", { "class": "swatch", "aria-hidden": "true" });
    swatch.style.background = color;
    button.appendChild(swatch);
  }
  button.appendChild(make("span", { text: name }));
  button.addEventListener("click", function () {
    var on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    change(on);
  });
  bar.appendChild(button);
}

/* A thing is hidden while its own toggle or that of its model says so. */
function setOff(one, reason, off) {
  one.reasons = one.reasons || {};
  one.reasons[reason] = off;
  one.off = Object.keys(one.reasons).some(function (key) { return one.reasons[key]; });
  (one.groups || [one.group]).forEach(function (group) { if (group) { group.classList.toggle("off", one.off); } });
}

function seriesToggles(plots, bar) {
  var names = [], colors = {};
  plots.forEach(function (plot) {
    plot.panels.forEach(function (panel) {
      panel.series.forEach(function (one) {
        if (one.name && names.indexOf(one.name) < 0) { names.push(one.name); colors[one.name] = one.color; }
      });
    });
  });
  if (names.length < 2) { return; }
  bar.appendChild(make("span", { "class": "bar-name", text: "Show" }));
  names.forEach(function (name) {
    toggle(bar, name, colors[name], function (on) {
      plots.forEach(function (plot) {
        plot.panels.forEach(function (panel) {
          panel.series.forEach(function (one) { if (one.name === name) { setOff(one, "series", !on); } });
        });
      });
    });
  });
}

/* Line at one layer through every panel over layers, and the numbers there beneath the figure. */
function atLayer(plot, layer, output) {
  plot.lines = plot.lines || {};
  plot.panels.filter(overLayers).forEach(function (panel) {
    var line = plot.lines[panel.id], found = null, words = [];
    panel.series.forEach(function (one) {
      if (one.off) { return; }
      one.points.forEach(function (point) {
        if (point[2] !== layer) { return; }
        found = point[0];
        words.push((one.name ? one.name + " " : "") + written(point[3]));
      });
    });
    if (!line) {
      line = draw("line", { "class": "layer-line", y1: panel.box[1], y2: panel.box[3] });
      plot.lines[panel.id] = line;
      plot.svg.appendChild(line);
    }
    line.setAttribute("visibility", found === null || panel.off ? "hidden" : "visible");
    if (found !== null) { line.setAttribute("x1", found); line.setAttribute("x2", found); }
    if (words.length && !panel.off) { output.appendChild(make("p", { text: (panel.title ? panel.title + ": " : "") + words.join(" · ") })); }
  });
}

function overLayers(panel) { return panel.x === "layer"; }

function layerSlider(section, plots) {
  var layers = [];
  plots.forEach(function (plot) {
    plot.panels.filter(overLayers).forEach(function (panel) {
      panel.series.forEach(function (one) {
        one.points.forEach(function (point) { if (layers.indexOf(point[2]) < 0) { layers.push(point[2]); } });
      });
    });
  });
  if (layers.length < 2) { return; }
  layers.sort(function (a, b) { return a - b; });
  var id = section.id + "-layer";
  var input = make("input", { type: "range", id: id, min: -1, max: layers.length - 1, step: 1, value: -1 });
  var shown = make("output", { "for": id, text: "none" });
  var bar = make("div", { "class": "bar layer-bar" }, [make("label", { "for": id, text: "Layer" }), input, shown]);
  var outputs = [];
  plots.forEach(function (plot) {
    if (!plot.panels.some(overLayers)) { return; }
    var output = make("div", { "class": "at-layer fine" });
    plot.svg.parentNode.appendChild(output);
    outputs.push({ plot: plot, output: output });
  });
  input.setAttribute("aria-valuetext", "no layer");
  input.addEventListener("input", function () {
    var layer = layers[+input.value], none = layer === undefined;
    shown.textContent = none ? "none" : String(layer);
    input.setAttribute("aria-valuetext", none ? "no layer" : "layer " + layer);
    outputs.forEach(function (one) {
      one.output.textContent = "";
      atLayer(one.plot, none ? NaN : layer, one.output);
    });
  });
  section.insertBefore(bar, section.querySelector("figure"));
}

function modelToggles(section, plots) {
  var models = JSON.parse(section.getAttribute("data-models") || "[]");
  function isOf(name, model) { return name === model || name.split(/[\s,·]+/).indexOf(model) >= 0; }
  var there = models.filter(function (model) {
    return plots.some(function (plot) {
      return plot.panels.some(function (panel) {
        return isOf(panel.title, model) || panel.series.some(function (one) { return isOf(one.name, model); });
      });
    });
  });
  if (there.length < 2) { return; }
  var bar = make("div", { "class": "bar model-bar", role: "group", "aria-label": "Models shown in all figures" });
  bar.appendChild(make("span", { "class": "bar-name", text: "Models" }));
  there.forEach(function (model) {
    toggle(bar, model, "", function (on) {
      plots.forEach(function (plot) {
        plot.panels.forEach(function (panel) {
          if (isOf(panel.title, model)) { setOff(panel, "model", !on); }
          panel.series.forEach(function (one) { if (isOf(one.name, model)) { setOff(one, "model", !on); } });
        });
      });
    });
  });
  section.insertBefore(bar, section.querySelector("figure"));
}

all("section.figures").forEach(function (section) {
  var every = [];
  all("figure", section).forEach(function (figure) {
    var title = figure.querySelector("h3, h4").textContent, plots = livePlots(figure);
    var said = make("p", { "class": "unseen", "aria-live": "polite" });
    var bar = make("div", { "class": "bar", role: "group", "aria-label": "Series and size: " + title });
    seriesToggles(plots, bar);
    all("svg.plot", figure).forEach(function (svg) {
      var frame = svg.parentNode, tools = make("div", { "class": "tools" });
      frame.insertBefore(tools, svg);
      zoomable(svg, tools, frame);
      frame.setAttribute("tabindex", "0");
      frame.setAttribute("role", "group");
      frame.setAttribute("aria-label", title + ": arrow keys read the points, + and − enlarge and reduce");
    });
    plots.forEach(function (plot) { hover(plot, said); });
    if (bar.children.length) { figure.insertBefore(bar, figure.querySelector(".wide")); }
    figure.appendChild(said);
    every = every.concat(plots);
  });
  modelToggles(section, every);
  layerSlider(section, every);
});
