// Browsers start no worker for a page that was opened from a file. The search then runs in a hidden frame.
if (location.protocol === "file:") {
  const message = (data) => new MessageEvent("message", { data: structuredClone(data) });
  window.Worker = class {
    constructor(url) {
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc = "<!doctype html><title>search</title>";
      this.frame.onload = () => this.start(url);
      document.documentElement.append(this.frame);
    }

    start(url) {
      const scope = this.frame.contentWindow;
      this.frame.onload = null;
      scope.postMessage = (data) => setTimeout(() => this.onmessage?.(message(data)));
      const script = scope.document.createElement("script");
      script.src = new URL(url, location.href).href;
      script.onload = () => {
        const waiting = this.waiting;
        this.waiting = null;
        waiting.forEach((data) => this.postMessage(data));
      };
      script.onerror = (event) => this.onerror?.(event);
      scope.document.body.append(script);
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.frame.contentWindow.dispatchEvent(message(data));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
