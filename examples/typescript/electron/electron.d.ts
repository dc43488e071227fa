/** The part of Electron's types that these examples use, so that checking them does not take all of Electron. */

declare module "electron" {
  interface Quitting {
    preventDefault(): void;
  }
  interface Preferences {
    preload: string;
    contextIsolation: boolean;
    sandbox: boolean;
  }
  export const app: {
    whenReady(): Promise<void>;
    getPath(name: "userData"): string;
    on(event: "before-quit", listener: (event: Quitting) => void): void;
    quit(): void;
  };
  export class BrowserWindow {
    constructor(options: { webPreferences: Preferences });
    loadFile(path: string): Promise<void>;
  }
  export const ipcMain: {
    handle(channel: string, listener: (event: unknown, ...args: any[]) => unknown): void;
  };
  export const ipcRenderer: {
    invoke(channel: string, ...args: unknown[]): Promise<any>;
  };
  export const contextBridge: {
    exposeInMainWorld(name: string, api: Record<string, unknown>): void;
  };
}
