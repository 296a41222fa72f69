"""x"""
EXAMPLES=("x",)
def run()->None:
    """x"""
