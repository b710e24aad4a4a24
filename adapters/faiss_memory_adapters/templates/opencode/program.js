import { spawn } from "node:child_process"

const command = @command@

// Prints nothing where the service is away, and is never waited for longer than it takes to start.
const ask = (event) =>
  new Promise((answer) => {
    let said = ""
    const hook = spawn(command[0], command.slice(1), { stdio: ["pipe", "pipe", "ignore"], timeout: 2000 })
    hook.on("error", () => answer(""))
    hook.on("close", () => answer(said && JSON.parse(said).context))
    hook.stdout.on("data", (part) => (said += part))
    hook.stdin.on("error", () => {})
    hook.stdin.end(JSON.stringify(event))
  }).catch(() => "")
