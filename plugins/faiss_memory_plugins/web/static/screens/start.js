// The first start: three ways to begin instead of an empty table; and what there is, for whoever comes back to them.
import { href } from "../address.js";
import { get } from "../api.js";
import { useLoaded } from "../fresh.js";
import { html } from "../lib.js";
import { Copy, Screen } from "../parts.js";
import { counted } from "../words.js";

export function Start() {
  const { data } = useLoaded((signal) => get("/stats", {}, signal), []);
  const there = data?.total_memories;
  const lead = there ? `${counted(there, "memory is", "memories are")} kept by now. Three ways to more of them;` : `${data ? "Nothing is kept yet. " : ""}Three ways to begin;`;
  return html`<${Screen} title="Ways to begin" lead=${`${lead} everything stays on this machine.`}>
    <div class="ways">
      <section class="card"><h2>Connect an assistant</h2><p>It then keeps what is decided, and is reminded of it.</p>
        <${Copy} text="faiss-memory install" /><p><a href=${href("assistants")}>All assistants</a></p></section>
      <section class="card"><h2>Build a folder</h2><p>Notes, documents or code become memories; run it again when they change.</p>
        <p><a class="button main" href=${href("inout")}>Choose a folder</a></p></section>
      <section class="card"><h2>Add one yourself</h2><p>One thing that assistants should know, in a sentence or two.</p>
        <p><a class="button main" href=${href("add")}>Add a memory</a></p></section>
    </div>
  <//>`;
}
