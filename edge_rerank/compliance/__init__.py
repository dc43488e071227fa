"""Internal: the report that checks a history against GDPR and PIPL, with the evidence."""
