"""PipelineTasks: connections, configuration and a call to the rooms below."""
