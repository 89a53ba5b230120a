/* The prompt view: choose a prompt by its words or its model, open and fold all, read a token's surprisal. */

all("section.prompts").forEach(function (section) {
  var bar = section.querySelector(".bar"), prompts = all("details.prompt", section), status = section.querySelector("[role=status]");
  var query = section.querySelector("input[type=search]"), model = section.querySelector("select");
  var texts = prompts.map(function (one) { return one.textContent.toLowerCase(); }), models = [];
  prompts.forEach(function (one) {
    var name = one.getAttribute("data-model");
    if (models.indexOf(name) < 0) { models.push(name); model.appendChild(make("option", { text: name, value: name })); }
  });
  if (models.length < 2) { model.parentNode.hidden = true; }
  function choose() {
    var wanted = query.value.toLowerCase(), count = 0;
    prompts.forEach(function (one, index) {
      var fits = texts[index].indexOf(wanted) >= 0 && (!model.value || one.getAttribute("data-model") === model.value);
      one.hidden = !fits;
      count += fits;
    });
    status.textContent = count + " of " + prompts.length + " prompts";
  }
  query.addEventListener("input", choose);
  model.addEventListener("change", choose);
  all("button", bar).forEach(function (button) {
    button.addEventListener("click", function () {
      prompts.forEach(function (one) { if (!one.hidden) { one.open = button.value === "open"; } });
    });
  });
  all(".prompt-text", section).forEach(function (text) {
    text.addEventListener("pointermove", function (event) {
      var token = event.target.closest(".surprise");
      if (token) { showTip([token.getAttribute("data-nats")], event.clientX, event.clientY); } else { hideTip(); }
    });
    text.addEventListener("pointerleave", hideTip);
  });
  bar.hidden = false;
  choose();
});
