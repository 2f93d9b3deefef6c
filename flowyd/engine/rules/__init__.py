"""The rules of Amazon SWF as pure functions: no clock, no disk, no ids of its own, nobody to call.

Theory of operation
===================
An execution is the fold of its history. `state.ExecutionState` is what the rules must know of it, and
`evolve.evolve` is the only code that changes one: live and when a stored history is read again, so there is
no second way for the two to differ.

A request works on one execution in one *block* (`block.Block`): rules add drafts of events to it, the block
gives each its id and the transaction's timestamp, folds it, and collects what must happen outside as
*effects*. A block ends by the two rules that hold for every one of them: an event that needs the decider is
followed by DecisionTaskScheduled unless one is scheduled and not started, and a history at its limit
terminates the execution.

- `events`    drafts of events, in SWF's own words; members that are absent are left out, 0 and "" stay
- `state`     the records an execution consists of
- `evolve`    one function per event type, in a table
- `block`     events of one transaction on one execution
- `effects`   what follows outside: tasks to offer, children to start, signals to deliver
- `tasks`     which tasks an event offers to pollers or takes back, in a table
- `decide_*`  one function per decision type: state and attributes in, outcome (drafts and effects) out
- `decisions` the table of these, and a whole decision list
- `requests`  what the API operations do to one execution
- `across`    how executions meet: children, parents, signals and cancels from outside
- `deadlines` every pending timeout, derived from the state, in a total order
- `expiry`    the event that each kind of deadline adds when it runs out
- `settings`  the quotas the rules apply

A decision that cannot be carried out is an event with a cause, never an exception. Faults are raised only
for requests, before anything has changed.
Wire names (camelCase) are used inside drafts and attributes, and nowhere else.
"""
