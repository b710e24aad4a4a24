declare class uPlot {
  constructor(options: any, data: any[], parent: HTMLElement);
  setSize(size: { width: number; height: number }): void;
  destroy(): void;
  static paths: { bars(options: any): any };
}
export default uPlot;
