export interface Change { value: string; added: boolean; removed: boolean }
export function diffWords(before: string, after: string, options?: any): Change[];
