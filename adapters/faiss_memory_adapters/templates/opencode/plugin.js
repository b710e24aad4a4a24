// Written by faiss-memory; `faiss-memory uninstall opencode` takes it away again.
/* ask */
export const FaissMemory = async ({ directory }) => {
  const digests = new Map()
  const about = (name, session, more) => ({ hook_event_name: name, session_id: session, cwd: directory, ...more })
  // Once for a session, and again after it was compacted.
  const digest = (session, source = "startup") => {
    if (!digests.has(session)) digests.set(session, ask(about("session.created", session, { source })))
    return digests.get(session)
  }
  return {
    "chat.message": async ({ sessionID }, { message, parts }) => {
      await digest(sessionID)
      const written = parts.filter((part) => part.type === "text" && !part.synthetic)
      const text = await ask(about("chat.message", sessionID, { prompt: written.map((part) => part.text).join("\n") }))
      // Parts are kept in the order of their ids.
      const id = parts.map((part) => part.id).sort().at(-1) + "m"
      if (text) parts.push({ id, sessionID, messageID: message.id, type: "text", text, synthetic: true })
    },
    "experimental.chat.system.transform": async ({ sessionID }, { system }) => {
      if (!sessionID || system[0]?.startsWith("You are a title generator")) return
      const text = await digest(sessionID)
      if (text) system.push(text)
    },
    event: async ({ event }) => {
      if (event.type !== "session.compacted") return
      digests.delete(event.properties.sessionID)
      await digest(event.properties.sessionID, "compact")
    },
  }
}
