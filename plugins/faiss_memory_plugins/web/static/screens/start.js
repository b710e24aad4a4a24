// The first start: three ways to begin instead of an empty table.
import { href } from "../address.js";
import { html } from "../lib.js";
import { Copy, Screen } from "../parts.js";

export function Start() {
  return html`<${Screen} title="Nothing is kept yet" lead="Three ways to begin. Everything stays on this machine.">
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
