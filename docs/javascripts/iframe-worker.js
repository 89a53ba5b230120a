// The search of a site that is opened from a folder: browsers start no worker from there, so a hidden frame plays its part.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.inside = frame.contentWindow;
      const script = new URL(url, document.baseURI);
      const scope = `
        window.postMessage = (...data) => parent.postMessage(...data, "*");
        window.importScripts = async (...urls) => {
          for (const url of urls) await new Promise((done) => {
            const script = document.createElement("script");
            script.src = url;
            script.onload = script.onerror = done;
            document.body.append(script);
          });
        };`;
      this.hear = this.inside.postMessage.bind(this.inside);
      this.ready = new Promise((done) => (frame.contentWindow.ready = done));
      this.inside.document.open();
      this.inside.document.write(
        `<body><script>${scope}<\/script><script src="${script.href}" onload="ready()"><\/script></body>`);
      this.inside.document.close();
      window.addEventListener("message", (event) => {
        if (event.source === this.inside) this.dispatchEvent(new MessageEvent("message", { data: event.data }));
      });
    }
    postMessage(data) {
      this.ready.then(() => this.hear(data, "*"));
    }
  };
}
