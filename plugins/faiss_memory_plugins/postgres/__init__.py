"""The store on PostgreSQL, for several services over one memory."""
