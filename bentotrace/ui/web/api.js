// Requests to the viewer; the token, where one is needed, comes in the address after the #.

const TOKEN = "token";

// What a saved file holds: the responses to the requests that its trace needs.
const holder = document.getElementById("saved");
export const saved = holder && JSON.parse(holder.textContent);

function token() {
  const given = new URLSearchParams(location.hash.slice(1)).get(TOKEN);
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    history.replaceState(history.state, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(TOKEN);
}

function request(path, options = {}) {
  const known = token();
  const headers = known ? { Authorization: `Bearer ${known}` } : {};
  return fetch(path, { ...options, headers, cache: "no-store" })
    .catch(() => { throw new Error("The viewer does not respond. Is it still running?"); });
}

export async function get(path, options) {
  if (saved) {
    if (path in saved.responses) return saved.responses[path];
    throw new Error("This file holds one trace only.");
  }
  const response = await request(path, options);
  if (response.headers.get("content-type")?.startsWith("application/json")) {
    const content = await response.json();
    if (response.ok) return content;
    throw Object.assign(new Error(content.error ?? response.statusText), { status: response.status });
  }
  throw new Error((await response.text()).trim() || response.statusText);
}

// Has the browser save a response, or a text, as a file.
export async function download(name, path, text) {
  let content = text;
  if (content === undefined) {
    const response = await request(path);
    if (!response.ok) throw new Error(response.statusText);
    content = await response.blob();
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// Calls changed() with every event, and connected() when the stream opens or is lost.
export async function follow(changed, connected) {
  for (;;) {
    try {
      const response = await request("/ui/events");
      if (!response.ok) throw new Error(response.statusText);
      connected(true);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          const data = event.split("\n").find((line) => line.startsWith("data: "));
          if (data) changed(JSON.parse(data.slice(6)));
        }
      }
    } catch {
      // The viewer has stopped, or was never reached: the loop tries again.
    }
    connected(false);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
