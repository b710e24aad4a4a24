/** What the page uses of preact. */
export interface VNode { type: unknown; props: any; key: unknown }
export type Child = VNode | string | number | boolean | null | undefined | Child[];
export function h(type: any, props: any, ...children: any[]): VNode;
export function render(node: VNode, parent: Element): void;
export const Fragment: unknown;
