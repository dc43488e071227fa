/** What a window of Electron may ask for: four calls, of the one person, and nothing else. */

import { contextBridge, ipcRenderer } from "electron";

import type { Event, Item, Ranking, Receipt } from "../src/client.js" with { "resolution-mode": "import" };

const reranker = {
  rank: (items: Item[]): Promise<Ranking> => ipcRenderer.invoke("rank", items),
  record: (event: Event): Promise<number> => ipcRenderer.invoke("record", event),
  consent: (granted: boolean): Promise<void> => ipcRenderer.invoke("consent", granted),
  forget: (): Promise<Receipt> => ipcRenderer.invoke("forget"),
};

export type Reranker = typeof reranker;

contextBridge.exposeInMainWorld("reranker", reranker);
