export interface Change { value: string; added: boolean; removed: boolean }
export function diffWordsWithSpace(before: string, after: string, options?: any): Change[];
