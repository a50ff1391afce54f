"""How the bot names itself."""


def greeting(settings, tenant):
    """The first words of an answer."""
    if settings.custom_bot_greeting:
        return settings.custom_bot_greeting
    return f"{tenant.business_name} here." if settings.use_business_name_as_identity else "Hello."
