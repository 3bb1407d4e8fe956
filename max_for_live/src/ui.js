// What the display shows: worked out from link, job and clip, and sent to Max only where it changed.
/* global module */
var StembridgeUi = (function () {
  "use strict";

  var LIGHT = StembridgeControls.LIGHT;
  // How long a page of a text that has several stays (ms).
  var PAGE_MS = 4000;

  // `write(list)` sends to the patcher; `clock()` gives ms.
  function create(write, clock) {
    var ui = {}, last = {}, shownSaid = "", pages = [], saidAt = 0;

    function put(list) {
      var key = list[0] + " " + (list[0] === "light" ? "" : list[1]), now = list.join("\n");
      if (last[key] === now) return;
      write(list);
      last[key] = now;
    }

    // A text goes as its words, none as a blank: what `set` alone does is not known. See max_for_live/README.md.
    function words(name, text) {
      var shown = StembridgeTexts.shortened(text, StembridgeControls.TABLE[name].columns);
      put([name, "set"].concat(shown === "" ? [" "] : shown.split(/\s+/)));
    }

    // The page of what is said whose turn it is.
    function page(said) {
      var joined = said.join("\n");
      if (joined !== shownSaid) {
        shownSaid = joined;
        pages = StembridgeTexts.pages(said);
        saidAt = clock();
      }
      return pages[Math.floor((clock() - saidAt) / PAGE_MS) % pages.length];
    }

    // Whether all pages of what is said have been there.
    ui.isRead = function () {
      return clock() - saidAt >= pages.length * PAGE_MS;
    };

    function light(view) {
      var link = view.link, job = view.job;
      if (link.state === "up" && job.state !== "idle") return LIGHT.busy;
      if (link.state === "up") return view.isMismatched || job.hasEnded && !job.isGood ? LIGHT.trouble : LIGHT.on;
      if (link.state === "binding" || link.state === "greeting") return LIGHT.busy;
      return link.state === "silent" ? LIGHT.off : LIGHT.trouble;
    }

    function daemonText(view) {
      var link = view.link, at = " on port " + view.port;
      if (link.state === "up") return "Runs " + link.daemon + at;
      if (link.state === "binding" || link.state === "greeting") return "Looking" + at;
      return link.state === "silent" ? "Not running" + at : "Not linked";
    }

    // `view`: {link, job, said, clip, port, isOn, isMismatched}; `clip` is from StembridgeRequest.shown, or null; `port` is the
    // daemon's.
    ui.show = function (view) {
      var isIdle = view.job.state === "idle", lines = page(view.said), clip = view.clip;
      words("clip", clip ? clip.name || "Unnamed clip" : "No clip selected");
      words("facts", clip ? clip.facts : "Select an audio clip");
      words("status1", lines[0]);
      words("status2", lines[1]);
      words("stage", view.job.stage);
      words("percent", isIdle || !view.job.percent && !view.job.stage ? "" : view.job.percent + "%");
      put(["progress", "set", isIdle ? 0 : view.job.percent]);
      put(["convert", "active", isIdle && view.isOn ? 1 : 0]);
      put(["cancel", "active", isIdle || view.job.state === "cancelling" ? 0 : 1]);
      put(["light", light(view)]);
      words("daemon", daemonText(view));
      words("version", StembridgeBuild.version + " " + StembridgeBuild.stamp);
    };

    return ui;
  }

  return { create: create };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeUi;
