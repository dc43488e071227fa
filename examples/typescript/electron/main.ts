/** Electron's main process: one server for the application, asked by its windows over IPC. */

import { app, BrowserWindow, ipcMain } from "electron";
import { join } from "node:path";

import { EdgeRerank, type Event, type Item } from "../src/client.js";

const USER = "me"; // the one person of this installation

app.whenReady().then(async () => {
  const folder = app.getPath("userData");
  const server = EdgeRerank.start({
    flags: ["--history", join(folder, "history.db"), "--key-file", join(folder, "key")],
  });
  const me = server.person(USER);

  ipcMain.handle("rank", (_, items: Item[]) => me.rank(items, { why: true }));
  ipcMain.handle("record", (_, event: Event) => me.record(event));
  ipcMain.handle("consent", (_, granted: boolean) => me.consent(granted));
  ipcMain.handle("forget", () => me.forget());

  let closed = false;
  app.on("before-quit", (event) => {
    if (closed) return;
    event.preventDefault();
    server.close().finally(() => { closed = true; app.quit(); });
  });

  const window = new BrowserWindow({
    webPreferences: { preload: join(import.meta.dirname, "preload.cjs"), contextIsolation: true, sandbox: true },
  });
  await window.loadFile("index.html");
});
