// The first module that runs: it asks for what is shown first, while the others get ready to show it.
import { here } from "./address.js";
import { askEarly } from "./api.js";
import { findEarly } from "./finding.js";

const { screen, params } = here();
if (screen === "memories") findEarly(params);
askEarly("/me");
if (!location.hash) askEarly("/stats");
